"""Reports as small HTML fragments, for notebooks. Every name is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from agentmeter.report.amounts import amount_text, iso
from agentmeter.report.report import Report, RequestReport, ScopeReport

_MOST_ROWS = 50
_HEADS = ("request", "user", "tenant", "feature", "calls", "tokens", "cost", "waste")
_NUMBERS = 4


def report_html(report: Report) -> str:
    """The requests as a table, their total below; a single request as its tree."""
    if len(report.requests) == 1 and report.unattributed is None:
        return request_html(report.requests[0])
    parts = [*report.requests, *([report.unattributed] if report.unattributed else [])]
    rows = [_listed(one) for one in parts[:_MOST_ROWS]]
    if len(parts) > _MOST_ROWS:
        rows.append((f"… and {len(parts) - _MOST_ROWS:,} more", *[""] * (len(_HEADS) - 1)))
    tokens = f"{report.usage.total_tokens:,}"
    bound = any(one.is_lower_bound for one in parts)
    cost = _bound(amount_text(report.amounts), at_least=bound)
    foot = (f"{len(report.requests):,} requests", "", "", "", "", tokens, cost, "")
    return _table(_HEADS, rows, foot)


def request_html(one: RequestReport) -> str:
    """One request as its tree, with inclusive figures."""
    shown: list[tuple[str, ...]] = []
    stack = [(one.tree, 0)]
    left_out = 0
    while stack:
        scope, depth = stack.pop()
        if len(shown) < _MOST_ROWS:
            shown.append(_scope(scope, depth))
        else:
            left_out += 1
        stack.extend((child, depth + 1) for child in reversed(scope.children))
    if left_out:
        shown.append((f"… and {left_out:,} more scopes", *[""] * 3))
    cost = _bound(amount_text(one.amounts), at_least=one.is_lower_bound)
    started = iso(one.tree.record.started_ns)
    foot = (f"{one.request_id}, {started}", f"{one.usage.total_tokens:,}", cost, "")
    return _table(("scope", "tokens", "cost", ""), shown, foot, numbers=1)


def _listed(one: RequestReport) -> tuple[str, ...]:
    owner = one.view.owner
    return (
        one.request_id,
        owner.user or "-",
        owner.tenant or "-",
        owner.feature or "-",
        f"{one.calls:,}",
        f"{one.usage.total_tokens:,}",
        _bound(amount_text(one.amounts), at_least=one.is_lower_bound),
        amount_text(one.waste) if any(one.waste.values()) else "-",
    )


def _scope(scope: ScopeReport, depth: int) -> tuple[str, ...]:
    label = "\N{NO-BREAK SPACE}" * (3 * depth) + f"{scope.record.kind} {scope.record.name}"
    notes = [f"waste: {scope.node.waste}"] if scope.node.waste else []
    notes.extend(f"{gap.meter} not priced: {gap.reason}" for gap in scope.cost.gaps)
    return label, f"{scope.usage.total_tokens:,}", amount_text(scope.amounts), "; ".join(notes)


def _bound(text: str, *, at_least: bool) -> str:
    return f"≥ {text}" if at_least else text


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    foot: Sequence[str],
    numbers: int = _NUMBERS,
) -> str:
    body = "".join(_row(row, "td", numbers) for row in rows)
    return (
        f"<table><thead>{_row(heads, 'th', numbers)}</thead><tbody>{body}</tbody>"
        f"<tfoot>{_row(foot, 'th', numbers)}</tfoot></table>"
    )


def _row(cells: Sequence[str], tag: str, numbers: int) -> str:
    sides = ("left" if at < numbers else "right" for at in range(len(cells)))
    made = (
        f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"
