"""Rows of traffic for tests of plans."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import count

from agentmeter.model import Owner, Status
from agentmeter.pricing.plans import Invoice, PlanBook, PricedRequest, Traffic, Use, day_of
from agentmeter.report.margin import bills_under

DAY = 86_400_000_000_000
_IDS = count(1)


def requests(
    number: int = 1,
    *,
    user: str | None = "u-1",
    tenant: str | None = None,
    feature: str | None = None,
    plan: str | None = None,
    model: str = "gpt-5",
    cost: str = "0",
    on: date = date(2026, 11, 2),
    every: int = 1,
    status: Status = Status.OK,
    tags: dict[str, str] | None = None,
    **usage: int,
) -> Iterator[PricedRequest]:
    """So many requests that are alike, from midnight on, ``every`` so many seconds.

    ``cost`` and ``usage`` are of each; a meter of one's own is given with two underscores.
    """
    owner = Owner(user, tenant, feature, plan, tags or {})
    meters = {name.replace("__", "."): quantity for name, quantity in usage.items()}
    use = Use(model, tuple(meters), tuple(meters.values()), Decimal(cost))
    for at in range(number):
        started = day_of(on) * DAY + at * every * 1_000_000_000
        yield PricedRequest(f"r-{next(_IDS)}", owner, started, "ask", status, (use,))


def invoices(toml: str, rows: list[PricedRequest]) -> list[Invoice]:
    """The invoices of every version of the first plan over some rows."""
    book = PlanBook.from_text(toml)
    versions = book.versions(book.names[0])
    rate = book.rate(versions[0].currency)
    billed = bills_under(versions, Traffic(rows, book.currency), book.accounts, None, rate)
    return [invoice for _, one in billed for invoice in one.invoices]
