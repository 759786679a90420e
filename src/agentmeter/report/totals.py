"""What stands beside the direct cost: allocations, totals and the statement, as text and JSON."""

from collections.abc import Iterable
from typing import Any

from agentmeter.model.money import plain
from agentmeter.pricing.allocation.rule import Allocation
from agentmeter.report.amounts import amount_text, iso
from agentmeter.report.report import Report, RequestReport, Stated, allocated_amounts


def heads(report: Report) -> tuple[str, ...]:
    """The columns that a list of requests needs beside the direct cost."""
    shared = ("allocated", "total") if _has_allocations(report) else ()
    return (*shared, "net", "tax", "gross") if report.stated else shared


def cells(report: Report, one: RequestReport) -> tuple[str, ...]:
    """A request's cells of these columns."""
    return _cells(report, amount_text(one.allocated), amount_text(one.total), one.stated)


def total_cells(report: Report) -> tuple[str, ...]:
    """The cells of the whole."""
    allocated, total = amount_text(report.allocated), amount_text(report.total)
    return _cells(report, allocated, total, report.stated)


def _cells(report: Report, allocated: str, total: str, stated: Stated | None) -> tuple[str, ...]:
    shared = (allocated, total) if _has_allocations(report) else ()
    if stated is None:
        return shared
    return (*shared, *(stated_text(stated, part) for part in ("net", "tax", "gross")))


def _has_allocations(report: Report) -> bool:
    parts = (*report.requests, *([report.unattributed] if report.unattributed else []))
    return bool(report.unshared) or any(part.allocations for part in parts)


def figures(one: RequestReport) -> list[str]:
    """A request's lines of text: its allocations, its total, and how it is stated."""
    lines = []
    if one.allocations:
        lines.append(f"  allocated {amount_text(one.allocated)}:")
        lines.extend(f"    {_line(line)}" for line in one.allocations)
        lines.append(f"  in total {amount_text(one.total)}")
    if one.stated:
        lines.append(f"  stated: {statement_text(one.stated)}")
    return lines


def notes(report: Report) -> list[str]:
    """What stands below the requests: wholes that were not shared, and the rates of exchange."""
    lone = report.unattributed
    lines = [f"unattributed: {_line(line)}" for line in (lone.allocations if lone else ())]
    lines.extend(f"not shared out: {_line(line)}" for line in report.unshared)
    if report.stated and len(report.requests) != 1:
        lines.append(f"stated: {statement_text(report.stated)}")
    lines.extend(
        f"at {plain(rate.rate)} {rate.to} for 1 {rate.base} of {rate.on} ({rate.source})"
        for rate in report.exchange
    )
    return ["", *lines] if lines else []


def _line(line: Allocation) -> str:
    part = "" if line.of is None else f", {line.weight:,} of {line.of:,} by {line.by}"
    amount = amount_text({line.currency: line.amount})
    return f"{line.kind} {line.name}: {amount} ({line.note}{part})"


def stated_text(stated: Stated, part: str) -> str:
    """One of its amounts with all of its places: ``12.30 EUR``."""
    return f"{getattr(stated, part):f} {stated.currency}"


def statement_text(stated: Stated) -> str:
    """``12.30 EUR net + 2.34 EUR tax (19%) = 14.64 EUR``."""
    net, gross = stated_text(stated, "net"), stated_text(stated, "gross")
    if not stated.percent:
        return f"{net}, rounded {stated.rounding}"
    tax = f"{stated_text(stated, 'tax')} tax ({plain(stated.percent)}%)"
    return f"{net} net + {tax} = {gross}, rounded {stated.rounding}"


def allocation_values(lines: Iterable[Allocation]) -> list[dict[str, Any]]:
    """Allocations as JSON values."""
    return [
        {
            "name": line.name,
            "kind": line.kind,
            "from": iso(line.from_ns),
            "until": iso(line.until_ns),
            "by": line.by,
            "weight": line.weight,
            "of": line.of,
            "amount": plain(line.amount),
            "currency": line.currency,
            "source": line.source,
            "note": line.note,
        }
        for line in lines
    ]


def stated_values(stated: Stated | None) -> dict[str, Any] | None:
    """A statement as JSON values; amounts with all of their places."""
    if stated is None:
        return None
    return {
        "currency": stated.currency,
        "net": f"{stated.net:f}",
        "tax": f"{stated.tax:f}",
        "gross": f"{stated.gross:f}",
        "places": stated.places,
        "rounding": stated.rounding,
        "tax_percent": plain(stated.percent),
    }


def exchange_values(report: Report) -> list[dict[str, Any]]:
    """The rates of exchange as JSON values."""
    return [
        {
            "from": rate.base,
            "to": rate.to,
            "on": rate.on,
            "rate": plain(rate.rate),
            "source": rate.source,
        }
        for rate in report.exchange
    ]


def by_rule(report: Report) -> list[dict[str, Any]]:
    """The whole of each rule and period, as JSON values, unshared wholes included."""
    parts = (*report.requests, *([report.unattributed] if report.unattributed else []))
    found: dict[tuple[str, str, int, int, str], list[Allocation]] = {}
    for line in (*report.unshared, *(line for part in parts for line in part.allocations)):
        place = (line.name, line.kind, line.from_ns, line.until_ns, line.currency)
        found.setdefault(place, []).append(line)
    return [
        {
            "name": name,
            "kind": kind,
            "from": iso(from_ns),
            "until": iso(until_ns),
            "amount": plain(allocated_amounts(found[place])[place[-1]]),
            "currency": currency,
            "note": found[place][0].note,
        }
        for place in sorted(found)
        for name, kind, from_ns, until_ns, currency in [place]
    ]
