"""Calls: the leaves that consume."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from agentmeter.exceptions import BudgetExceeded, UsageError
from agentmeter.model import (
    CHARGED,
    REPORTED,
    Amendment,
    Attempt,
    Call,
    Evidence,
    Kind,
    Money,
    Opened,
    Status,
    Usage,
    as_lower_bound,
)
from agentmeter.model import UNKNOWN as UNKNOWN_EVIDENCE
from agentmeter.runtime.context import ASKING, attach, current_scope
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.scope import Scope, emit
from agentmeter.runtime.state import STATE
from agentmeter.semconv.writing import span_name

if TYPE_CHECKING:
    from agentmeter.pricing.tariff import Tariff
    from agentmeter.runtime.budget.demand import Demand
    from agentmeter.runtime.budget.gate import Gate
    from agentmeter.runtime.budget.reservation import Reservation

_NO_TOOLS = "no rate card has a [[tool]] to price it by"


class CallScope(Scope):
    """One leaf: an inference, an embedding, a paid tool. Say what it used with ``record``."""

    kind = Kind.CALL
    reservation: "Reservation | None" = None
    """What the call was let in for, where a budget holds it."""
    announced: "tuple[int | None, int | None] | None" = None
    """For a call without an integration: its tokens in and out at most, as far as is known."""

    def __init__(
        self,
        name: str | None = None,
        attributes: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        """``facts`` are the fields of a ``Call`` that are known from the beginning."""
        super().__init__(name, attributes)
        self._said = facts
        self._facts: Call | None = None

    def fresh(self, name: str, arguments: Any) -> "CallScope":
        """A new activation for a call of the decorated function."""
        made = CallScope(self.given_name or name, self.attributes, **self._said)
        made.announced = self.announced
        return made

    @property
    def facts(self) -> Call:
        """What is known of the call so far."""
        if self._facts is None:
            self._facts = Call(**self._said)
        return self._facts

    @property
    def name(self) -> str:
        """The given name, else the model's, else ``call``."""
        return self.given_name or self._said.get("model") or self.kind.value

    @property
    def span_name(self) -> str:
        """The name of the call's span: ``chat gpt-5``."""
        said = self._said
        return span_name(self.kind, self.name, said.get("operation"), said.get("model"))

    def record(self, used: object) -> None:
        """Say what the call used, as the provider reported it.

        ``used`` is a ``Usage``, a mapping (by meter, or a provider's usage object), or a
        provider's response. Saying it again replaces what was said; once the call is over it is an
        amendment, which holds where its evidence is stronger than what was known.

        What no usage can be read from (a negative count, a part larger than its whole, an unknown
        shape) is counted as a fault with its arithmetic, and the call stays unknown: a provider's
        odd answer must not end the request that it came for.
        """
        try:
            facts = facts_of(used, self._said.get("provider"))
        except UsageError as error:
            FAULTS.count(f"call.record: {error}")
            return
        usage = facts.usage
        told = {name: getattr(facts, name) for name in _TOLD if getattr(facts, name)}
        self.update(
            usage=usage,
            evidence=facts.evidence or dict.fromkeys(usage, REPORTED) or {"request": REPORTED},
            **told,
        )
        if self._closed:
            self.amend(self.facts.usage, self.facts.evidence)

    def returned(self, result: object) -> None:
        """Record what a decorated function gave back, where that states usage and nothing did.

        A function may give back anything: what no usage can be read from says nothing.
        """
        if self.contains_calls or self.facts.evidence or self.facts.charge is not None:
            return
        with guarded("call.record"), suppress(UsageError):
            if facts_of(result, self._said.get("provider")).usage:
                self.record(result)

    def amend(self, usage: Usage, evidence: Mapping[str, Evidence]) -> None:
        """Say later what the closed call used: an amendment, since records never change.

        The tariff is asked for again, since a call closed without any usage named none.
        """
        with guarded("amendment"):
            evidence = as_lower_bound(evidence) if self._has_lost_attempts else evidence
            tariff, _ = STATE.tariff_of(self.facts)
            said = Amendment(
                STATE.new_id(8),
                self.request_id,
                self.scope_id,
                STATE.now_ns(),
                usage,
                evidence,
                tariff.digest if tariff else None,
            )
            emit(said, self.ledger, tariff)
            self._amend_reservation(usage, evidence, tariff)

    def _amend_reservation(
        self, usage: Usage, evidence: Mapping[str, Evidence], tariff: "Tariff | None"
    ) -> None:
        """Tell the budgets above what the call took, as it is known now."""
        if self.reservation is not None:
            with guarded("budget"):
                self.reservation.amend(usage, evidence, tariff)
                self._charged(self.reservation)

    def update(self, **facts: Any) -> None:
        """Set fields of the call's facts; they are put together when somebody asks for them."""
        self._said.update(facts)
        self._facts = None

    def attempt(self, attempt: Attempt) -> None:
        """Add one try of this call."""
        self.update(attempts=(*self.facts.attempts, attempt))

    def _consumed(self) -> "tuple[Call | None, Tariff | None]":
        facts = self.facts
        if facts.charge is not None or self.status is Status.REFUSED:
            return facts, None
        if not facts.evidence and not self.contains_calls:
            unknown = dict.fromkeys(("input", "output"), UNKNOWN_EVIDENCE)
            self.update(evidence=_refused(facts, unknown))
        elif not facts.evidence and not facts.usage:
            return facts, None
        elif self._has_lost_attempts:
            self.update(evidence=as_lower_bound(facts.evidence))
        tariff, reason = STATE.tariff_of(facts)
        if tariff is not None:
            self.update(tariff=tariff.digest)
        elif facts.usage:
            self.update(unpriced=_NO_TOOLS if facts.is_charge else reason)
        return self.facts, tariff

    @property
    def _has_lost_attempts(self) -> bool:
        return any(attempt.lost for attempt in self.facts.attempts)

    contains_calls = False
    """Whether calls have been opened inside: then it is no leaf."""
    told_by_others = False
    """Whether a span of another instrumentation inside this call carries its usage."""

    def open(self, parent: Scope | None) -> None:
        """Begin, and tell the call above, if there is one, that it is no leaf.

        Raises ``BudgetExceeded`` where what was announced does not fit; then the call is over.
        """
        super().open(parent)
        above = parent
        while above is not None:
            if isinstance(above, CallScope):
                above.contains_calls = True
            above = above.parent
        asking = ASKING.get()
        if asking is not None:
            asking.made(self)
        if self.ledger is not None:
            self.ledger.begun(self.scope_id, self.opened)
        if STATE.gate is not None and self.announced is not None:
            self.ask_budgets()

    async def __aenter__(self) -> Self:
        announced, self.announced = self.announced, None  # asked here, where one can wait
        self.open(current_scope())
        self.announced = announced
        if STATE.gate is not None and announced is not None:
            from agentmeter.runtime.budget.gate import admit_async

            await admit_async(self, self._demand)
        self._token = attach(self)
        return self

    def ask_budgets(self) -> None:
        """Reserve what the call may take. Raises ``BudgetExceeded``; then the call is over."""
        from agentmeter.runtime.budget.gate import admit

        admit(self, self._demand)

    def _demand(self) -> "Demand":
        from agentmeter.runtime.budget.demand import demand_of

        return demand_of(self.facts, *(self.announced or (None, None)), self.started_ns)

    def refuse(self, error: BaseException) -> None:
        """A budget has no room for the call: it ends, and used nothing."""
        refused = isinstance(error, BudgetExceeded)
        if refused:
            self.update(usage=Usage(), charge=None, evidence={"request": REPORTED}, calls=0)
        self.close(error, Status.REFUSED if refused else None)

    def opened(self) -> Opened:
        """The marker for a call that is still open: its model is known, its usage is not."""
        return replace(
            super().opened(), provider=self.facts.provider, model=self.facts.priced_model
        )

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End; a second close does nothing."""
        was_open = not self._closed
        super().close(error, status)
        if was_open and STATE.gate is not None and self.status is not Status.REFUSED:
            self._settle_reservation(STATE.gate)
        if self.ledger is not None:
            self.ledger.over(self.scope_id)

    def _settle_reservation(self, gate: "Gate") -> None:
        with guarded("budget"):
            if self.reservation is None and not self.contains_calls:
                self.reservation = gate.charge(self)
            if self.reservation is None:
                return
            tariff = None
            if self.facts.usage and self.facts.charge is None:
                tariff, _ = STATE.tariff_of(self.facts)
            self.reservation.settle(self.facts, tariff, self.started_ns)
            self._charged(self.reservation)

    def _charged(self, reservation: "Reservation") -> None:
        """Tell who wants to know how budgets stand."""
        watcher = Ledger.budget_watcher
        if watcher is not None:
            watcher(self.ledger, reservation.accounts)


_TOLD = (
    "response_model",
    "response_id",
    "service_tier",
    "speed",
    "region",
    "search_context",
    "finish_reasons",
)
"""What an answer tells beside its usage; where it does not, what was known before stays."""


def _refused(facts: Call, unknown: dict[str, Evidence]) -> dict[str, Evidence]:
    """A call that every attempt of was refused used nothing: that is known, not unknown."""
    tries = facts.attempts
    if tries and tries[-1].refused and not any(one.lost for one in tries):
        return {"request": REPORTED}
    return unknown


def facts_of(used: object, provider: str | None = None) -> Call:
    """Usage, conditions and identity out of whatever a caller has in hand. Raises ``UsageError``.

    ``provider`` decides where hosts of one shape count differently.

    A charge that the provider states is not taken as the call's: a call with a charge is not
    priced, and its price is what that charge is held against.
    """
    if isinstance(used, Usage):
        return Call(usage=used)
    from agentmeter.semconv.answers import answer_of
    from agentmeter.semconv.usage import plain_mapping

    body = plain_mapping(used)
    if body is None:
        raise UsageError(
            f"cannot read usage from {type(used).__name__}; "
            "pass a Usage, a mapping, or a provider's response object"
        )
    answer = answer_of(body, provider)
    said = answer.stated
    return Call(
        usage=said.usage if said else Usage(),
        evidence={} if said else dict.fromkeys(("input", "output"), UNKNOWN_EVIDENCE),
        response_model=answer.model,
        response_id=answer.id,
        service_tier=answer.service_tier,
        speed=answer.speed,
        region=said.region if said else None,
        search_context=said.search_context if said else None,
        finish_reasons=answer.finish_reasons,
    )


def charge(
    name: str,
    usd: str | int | Decimal | None = None,
    *,
    amount: str | int | Decimal | None = None,
    currency: str = "USD",
    quantity: int | None = None,
) -> None:
    """Charge a cost that is not tokens to the current request: ``charge("search", usd="0.005")``.

    Give ``usd``; or ``amount`` with ``currency``; or a ``quantity`` that the rate card's
    ``[[tool]]`` of that name prices (``charge("serpapi.search", quantity=3)``), which is a gap in
    the report where there is none. Raises ``TypeError`` for a ``float``, ``MoneyError`` for text
    that is not a number, ``UsageError`` for a quantity that is no count and for a name that is no
    meter, ``BudgetExceeded`` where a budget has no room for it, and then nothing is charged.
    Outside of any request the charge is kept as unattributed.
    """
    if sum(given is not None for given in (usd, amount, quantity)) != 1:
        raise TypeError("charge() takes one of usd=, amount= with currency=, and quantity=")
    facts: dict[str, Any]
    if quantity is not None:
        facts = {"usage": Usage({name: quantity}), "evidence": {name: CHARGED}}
    else:
        money = Money(usd if usd is not None else amount, currency)  # type: ignore[arg-type]
        facts = {"charge": money, "evidence": {"request": CHARGED}}
    with guarded("charge"):
        scope = CallScope(name, **facts)
        scope.open(current_scope())
        if STATE.gate is not None:
            scope.ask_budgets()
        scope.close()


__all__ = ["FAULTS", "CallScope", "charge", "facts_of"]
