"""A report as plain text: a list of requests, or one request as a tree."""

from collections.abc import Iterable

from agentmeter.model import Record, Usage
from agentmeter.report import budgets
from agentmeter.report.amounts import amount_text, iso
from agentmeter.report.breakdown import Row
from agentmeter.report.distribution import Distribution
from agentmeter.report.document import money
from agentmeter.report.provenance import EVIDENCE, Origins, Paid, provenance
from agentmeter.report.report import Report, RequestReport, ScopeReport
from agentmeter.report.sampled import SAMPLED
from agentmeter.report.short_ids import short_ids
from agentmeter.report.table import table
from agentmeter.report.totals import cells, figures, heads, notes, total_cells

_TOP = 5
_SECOND = 1_000_000_000
_MARKS = {"ok": "", "closed": " [closed early]", "never_closed": " [never closed]"}


def text(report: Report) -> str:
    """The list of requests; a single request is shown as its tree."""
    single = len(report.requests) == 1
    parts = [request_text(report.requests[0]) if single else _listing(report)]
    if report.unattributed is not None:
        parts.append(_unattributed(report.unattributed))
    parts.extend(notes(report))
    parts.extend(_sampled(report))
    parts.extend(_faults(report))
    return "\n".join(parts)


def request_text(one: RequestReport) -> str:
    """One request as a tree, with totals, evidence and what could not be priced."""
    lines = [_head(one), *_figures(one), ""]
    lines.extend(_rows(one))
    return "\n".join([*lines, *_came_from(one), *_missing(one)])


def _came_from(one: RequestReport) -> list[str]:
    """The dearest pieces of input: ``tool search, 8,000 tokens: sent in 11 calls …``."""
    rows = [row for row in provenance(one).segments if row.calls > 1][:_TOP]
    if not rows:
        return []
    return ["", f"  where the input came from ({EVIDENCE}):", *map(_sent, rows)]


def _sent(row: Paid) -> str:
    cached = row.at_cached_rate
    name = f" {shown(row.name)}" if row.name else ""
    rate = f", of which {cached:,} at the cached rate" if cached else ""
    return (
        f"    {row.origin}{name}, {row.tokens:,} tokens: sent in {row.calls} calls, "
        f"{row.usage.total_input:,} tokens, {amount_text(row.amounts)}{rate}"
    )


def shown(text: str) -> str:
    """Text of the application's own on one line; what would steer a terminal is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _listing(report: Report) -> str:
    more = heads(report)
    owned = ("user", "tenant", "feature")
    first = ("request", "name", *owned, "calls", "tokens", "cost", *more, "waste", "")
    rows: list[tuple[str, ...]] = [first]
    short = short_ids(one.request_id for one in report.requests)
    rows.extend(_listed(one, short[one.request_id], cells(report, one)) for one in report.requests)
    total = report.usage.total_tokens
    count = len(report.requests)
    rows.append(
        (
            *(f"{count} requests", "", "", "", "", "", f"{total:,}"),
            _bound(report) + amount_text(report.amounts),
            *total_cells(report),
            *("", ""),
        )
    )
    return table(rows, right=tuple(range(5, 9 + len(more))))


def _bound(one: Report | RequestReport | Row) -> str:
    """What goes before an amount that leaves something out."""
    return "≥ " if one.is_lower_bound else ""


def rows_text(by: str, rows: Iterable[Row]) -> str:
    """A breakdown as a table."""
    lines = [(by, "requests", "calls", "tokens", "cost", "waste")]
    lines.extend(
        (
            shown(row.key),
            f"{row.requests:,}",
            f"{row.calls:,}",
            f"{row.usage.total_tokens:,}",
            _bound(row) + amount_text(row.amounts),
            amount_text(row.waste) if any(row.waste.values()) else "-",
        )
        for row in rows
    )
    return table(lines, right=(1, 2, 3, 4, 5))


def origins_text(rows: Iterable[Origins]) -> str:
    """What input was paid for by origin, over many requests."""
    lines = [("origin", "calls", "input tokens", "cost")]
    lines.extend(
        (row.origin.value, f"{row.calls:,}", f"{row.tokens:,}", amount_text(row.amounts))
        for row in rows
    )
    return "\n".join([table(lines, right=(1, 2, 3)), f"({EVIDENCE})"])


def distribution_text(found: Distribution) -> str:
    """The cost of a request as a distribution."""
    lines = [("cost of a request", "")]
    lines.extend(
        (f"p{percent}", amount_text({found.currency: cost}))
        for percent, cost in found.percentiles.items()
    )
    lines.append(("max", amount_text({found.currency: found.dearest})))
    lines.append((f"{found.requests:,} requests", amount_text({found.currency: found.total})))
    told = table(lines, right=(1,))
    if not found.partial:
        return told
    return f"{told}\n{found.partial:,} of them may have cost more than is known"


def _listed(one: RequestReport, short: str, more: tuple[str, ...]) -> tuple[str, ...]:
    owner = one.view.owner
    told = []
    if one.missing:
        told.append(f"not priced in full ({len(one.missing)})")
    weak = {kind: n for kind, n in one.evidence.items() if kind not in ("reported", "charged")}
    told.extend(f"{count} {kind}" for kind, count in weak.items())
    if one.view.contested:
        told.append(f"two owners ({', '.join(one.view.contested)})")
    if one.state != "ok":
        told.append(one.state.replace("_", " "))
    return (
        shown(short),
        shown(one.tree.record.name),
        shown(owner.user or "-"),
        shown(owner.tenant or "-"),
        shown(owner.feature or "-"),
        str(one.calls),
        f"{one.usage.total_tokens:,}",
        _bound(one) + amount_text(one.amounts),
        *more,
        amount_text(one.waste) if any(one.waste.values()) else "-",
        ", ".join(told),
    )


def _head(one: RequestReport) -> str:
    owner, root = one.view.owner, one.tree.record
    fields = {
        "user": owner.user,
        "tenant": owner.tenant,
        "feature": owner.feature,
        "plan": owner.plan,
        **owner.tags,
    }
    owned = "  ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    started = iso(root.started_ns - root.started_ns % _SECOND)
    head = f"request {shown(one.request_id)}  {shown(owned)}  {started}"
    return head.replace("    ", "  ")


def _figures(one: RequestReport) -> list[str]:
    lines = [
        f"  cost {_bound(one)}{amount_text(one.amounts)}"
        + (f"  of it waste {_waste(one)}" if any(one.waste.values()) else ""),
        *figures(one),
        *budgets.lines(one),
        f"  {one.calls} calls, {one.attempts} attempts, {usage_text(one.usage)}",
        "  evidence: " + ", ".join(f"{kind} {count}" for kind, count in one.evidence.items()),
    ]
    if one.only_observed:
        lines.append(
            f"  {one.only_observed} calls known only from other instrumentations' spans: "
            "as complete as those were sampled"
        )
    if one.view.contested:
        named = ", ".join(one.view.contested)
        lines.append(f"  its records name different owners ({named}): was its id given out twice?")
    if one.view.missing_parents:
        lines.append(f"  {one.view.missing_parents} scopes whose parent has no record")
    if one.view.missing:
        named = ", ".join(one.view.missing[:3])
        more = f" and {len(one.view.missing) - 3} more" if len(one.view.missing) > 3 else ""
        lines.append(f"  {len(one.view.missing)} scopes have left no record: {named}{more}")
    return lines


def _waste(one: RequestReport) -> str:
    reasons = (f"{reason} {amount_text(amounts)}" for reason, amounts in one.waste_by.items())
    return f"{amount_text(one.waste)} ({', '.join(reasons)})"


def usage_text(usage: Usage) -> str:
    """``812 input + 77 output`` …"""
    return " + ".join(f"{quantity:,} {meter}" for meter, quantity in usage.items()) or "no usage"


def _rows(one: RequestReport) -> list[str]:
    rows: list[tuple[str, str, str, str]] = [("", "tokens", "cost", "")]
    stack: list[tuple[ScopeReport, str, str]] = [(one.tree, "", "")]
    while stack:
        scope, lead, below = stack.pop()
        tokens = f"{scope.usage.total_tokens:,}"
        state = one.state if scope is one.tree else scope.record.status.value
        label = lead + _label(scope, state)
        rows.append((label, tokens, amount_text(scope.amounts), _notes(scope)))
        last = len(scope.children) - 1
        for index in range(last, -1, -1):
            branch, deeper = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
            stack.append((scope.children[index], below + branch, below + deeper))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        f"  {label.ljust(widths[0])}  {tokens.rjust(widths[1])}  {cost.rjust(widths[2])}"
        f"  {note}".rstrip()
        for label, tokens, cost, note in rows
    ]


def _label(scope: ScopeReport, state: str) -> str:
    mark = _MARKS.get(state, f" [{state}]")
    return f"{scope.record.kind} {shown(scope.record.name)}{mark}"


def _notes(scope: ScopeReport) -> str:
    record = scope.record
    notes = [_attempts(record), *_evidence(record)]
    if scope.node.waste:
        notes.append(f"waste: {scope.node.waste}")
    if "cut" in record.attributes:
        notes.append(f"cut {record.attributes['cut']}")
    if record.late:
        notes.append("late")
    if record.call is not None:
        notes.extend(f"{gap.meter} not priced: {gap.reason}" for gap in scope.cost.gaps)
    return "; ".join(note for note in notes if note)


def _attempts(record: Record) -> str:
    attempts = record.call.attempts if record.call else ()
    if len(attempts) < 2:
        return ""
    told = ", ".join(str(one.http_status or one.error_type or "failed") for one in attempts)
    return f"{len(attempts)} attempts ({told})"


def _evidence(record: Record) -> list[str]:
    if record.call is None:
        return []
    weak = {meter: str(known) for meter, known in record.call.evidence.items()}
    return [
        f"{meter} {known}" for meter, known in weak.items() if known not in ("reported", "charged")
    ]


def _missing(one: RequestReport) -> list[str]:
    if not one.missing:
        return []
    lines = ["", "  not in the cost above:"]
    for gap in one.missing:
        quantity = "unknown" if gap.quantity is None else f"{gap.quantity:,}"
        lines.append(f"    {gap.model or '-'}  {gap.meter}: {quantity}  ({gap.reason})")
    return lines


def _unattributed(one: RequestReport) -> str:
    cost = money(one.amounts)
    return (
        f"\nunattributed: {one.calls} calls outside of any request, {usage_text(one.usage)}, "
        f"{cost['amount']} {cost['currency']} (wrap them in agentmeter.request)"
    )


def _sampled(report: Report) -> list[str]:
    if not report.sampled:
        return []
    return ["", sampled_text(report.sampled)]


def sampled_text(requests: int) -> str:
    """What is said where requests are known from a pipeline that samples."""
    return f"{requests:,} {SAMPLED} (agentmeter.configure(otlp=…) sends all)"


def _faults(report: Report) -> list[str]:
    if not report.faults:
        return []
    return ["", "faults:", *(f"  {count} × {place}" for place, count in report.faults.items())]
