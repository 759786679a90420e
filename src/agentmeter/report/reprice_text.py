"""Repriced traffic as JSON values and as plain text."""

from collections.abc import Mapping
from typing import Any

from agentmeter.model import Owner
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.amounts import amount_text
from agentmeter.report.document import iso, money
from agentmeter.report.report import Amounts
from agentmeter.report.reprice import Change, Repriced, Terms
from agentmeter.report.table import table
from agentmeter.report.text import shown

_COUNTS = "the token counts are those of the models that answered; another model counts otherwise"


def repriced_document(made: Repriced) -> dict[str, Any]:
    """The whole of it; amounts are decimal strings."""
    return {
        "terms": _terms(made.terms),
        "notes": _notes(made.terms),
        "requests": [
            {"request_id": one.request_id, **_owner(one.view.owner), **_change(change)}
            for one, change in made.requests
        ],
        "by_model": [
            {
                "model": row.model,
                "priced_as": row.priced_as,
                "calls": row.calls,
                **_change(row.change),
            }
            for row in made.by_model()
        ],
        "total": _change(made.total),
        "unpriced": [
            {"model": g.model, "meter": g.meter, "quantity": g.quantity, "reason": g.reason}
            for g in made.missing
        ],
        "tariffs": [_tariff(one) for _, one in sorted(made.tariffs.items())],
        "faults": dict(made.before.faults),
    }


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "models": [{"from": glob, "to": to} for glob, to in terms.models],
        "as_of": None if terms.at_ns is None else iso(terms.at_ns),
    }


def _notes(terms: Terms) -> list[str]:
    notes = []
    if terms.at_ns is not None:
        notes.append(f"every call at the prices that held at {iso(terms.at_ns)}")
    if terms.models:
        notes.append(_COUNTS)
    return notes


def _owner(owner: Owner) -> dict[str, Any]:
    return {"user": owner.user, "tenant": owner.tenant, "feature": owner.feature}


def _change(change: Change) -> dict[str, Any]:
    return {
        "before": money(change.before),
        "after": money(change.after),
        "difference": money(change.difference),
        "partial": change.partial,
    }


def _tariff(tariff: Tariff) -> dict[str, Any]:
    return {
        "digest": tariff.digest,
        "version": tariff.version,
        "provider": tariff.key.provider,
        "model": tariff.key.model,
        "currency": tariff.currency,
        "sources": sorted({rate.source for rate in tariff.rates}),
    }


def repriced_text(made: Repriced) -> str:
    """The requests, the models and the total, as they were and as they would have been."""
    rows: list[tuple[str, ...]] = [("request", "user", "feature", *_HEADS)]
    for one, change in made.requests:
        owner = one.view.owner
        named = (one.request_id, owner.user or "-", owner.feature or "-")
        rows.append((*map(shown, named), *_cells(change)))
    rows.append(("total", "", "", *_cells(made.total)))
    models: list[tuple[str, ...]] = [("model", "priced as", "calls", *_HEADS)]
    models.extend(
        (
            shown(row.model or "-"),
            shown(row.priced_as or "-"),
            f"{row.calls:,}",
            *_cells(row.change),
        )
        for row in made.by_model()
    )
    parts = [table(rows, right=(3, 4, 5)), "", table(models, right=(2, 3, 4, 5))]
    return "\n".join([*parts, *_missing_lines(made), *_foot(made.terms, made.tariffs)])


_HEADS = ("before", "after", "difference", "")


def _cells(change: Change) -> tuple[str, str, str, str]:
    note = "partial" if change.partial else ""
    difference = signed(change.difference)
    return amount_text(change.before), amount_text(change.after), difference, note


def signed(amounts: Amounts) -> str:
    """A difference with its sign in front: ``-$0.001250``."""
    parts = []
    for currency, amount in sorted(amounts.items()):
        sign = "-" if amount < 0 else "+" if amount > 0 else ""
        parts.append(sign + amount_text({currency: amount.copy_abs()}))
    return " ".join(parts) or amount_text({})


def _missing_lines(made: Repriced) -> list[str]:
    if not made.missing:
        return []
    lines = ["", "no price at these terms, and so in no amount above:"]
    for gap in made.missing:
        quantity = "unknown" if gap.quantity is None else f"{gap.quantity:,}"
        lines.append(f"  {shown(gap.model or '-')}  {gap.meter}: {quantity}  ({shown(gap.reason)})")
    return lines


def _foot(terms: Terms, tariffs: Mapping[str, Tariff]) -> list[str]:
    versions = sorted({tariff.version for tariff in tariffs.values()})
    lines = ["", *_notes(terms)]
    return [*lines, f"prices: {', '.join(versions)}"] if versions else lines
