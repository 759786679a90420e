"""Receipts for running code: of a request that is under way, or has just ended."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from agentmeter.exceptions import ScopeError
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.pricing.plans import PlanBook, PricedRequest
    from agentmeter.report.receipt import Receipt
    from agentmeter.report.receipt_charge import PlanCharge
    from agentmeter.report.report import RequestReport


class Asked(TypedDict, total=False):
    """What ``receipt`` can be asked for; see there."""

    plans: "PlanBook | str | Path"
    plan: str
    public_names: Mapping[str, str]
    show_names: bool
    show_cost: bool
    show_models: bool
    show_prices: bool
    show_margin: bool
    show_owner: bool


def receipt_of(
    ledger: Ledger,
    *,
    plans: "PlanBook | str | Path | None" = None,
    plan: str | None = None,
    public_names: Mapping[str, str] | None = None,
    **show: bool,
) -> "Receipt":
    """The receipt of a request as it stands.

    ``plans`` and ``public_names`` are what was configured unless they are given; the plan is
    ``plan``, else the one that the request's owner names. The first receipt under plans reads the
    journal's folder, later ones what was appended: where it is large, not on an event loop's
    thread. Raises ``PlanError`` for plans that cannot be read and a ``plan`` that is none of them,
    ``ScopeError`` where nothing of the request is known here.
    """
    from agentmeter.report.receipt import Disclosure, receipt

    names = STATE.public_names if public_names is None else public_names
    disclosure = Disclosure(public_names=names, **show)
    reports = ledger.report().requests
    if not reports:
        raise ScopeError("nothing is known here of this request yet; its scopes are elsewhere")
    book = _book(plans)
    charge = None if book is None else charge_of(reports[0], book, plan)
    return receipt(reports[0], disclosure, charge)


def _book(plans: "PlanBook | str | Path | None") -> "PlanBook | None":
    if isinstance(plans, str | Path):
        from agentmeter.pricing.plans import PlanBook

        return PlanBook.from_file(plans)
    return STATE.plans if plans is None else plans


def charge_of(
    report: "RequestReport",
    book: "PlanBook",
    plan: str | None = None,
    others: "Iterable[PricedRequest] | None" = None,
) -> "PlanCharge | None":
    """What a plan charges for a request, after what the journal has of its account.

    ``others`` are the requests on record where they are known already. An owner whose plan is not
    in the book has none here.
    """
    from agentmeter.model import Status
    from agentmeter.report.receipt_charge import plan_charge
    from agentmeter.report.traffic import row_in

    name = plan if plan is not None else report.view.owner.plan
    if name is None or (plan is None and name not in book.names):
        return None
    one = row_in(report, book)
    known = recorded(book) if others is None else others
    before = [row for row in known if row.request_id != one.request_id]
    finished = report.tree.record.status is not Status.NEVER_CLOSED
    return plan_charge(book, name, one, before, finished=finished)


def recorded(book: "PlanBook") -> "Iterable[PricedRequest]":
    """The requests on record; where they cannot be read, that is counted, and there are none."""
    reader = STATE.ready().reader
    with guarded("receipt.history"):
        if STATE.sink is not None:
            STATE.sink.flush()
        return reader.priced(book) if reader is not None else ()
    return ()


__all__ = ["Asked", "charge_of", "receipt_of", "recorded"]
