"""One call at the gate: asks every account above it, and does what their budgets say.

Whether to go on may be a question to the application, which an asynchronous one awaits. So the
decision is a generator that yields the question and is sent the answer.
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from opentelemetry import trace

from agentmeter.exceptions import BudgetExceeded
from agentmeter.model import Call
from agentmeter.model.money import CONTEXT
from agentmeter.runtime.budget.account import Account
from agentmeter.runtime.budget.demand import LIMIT_IT, Demand, Worst, worst
from agentmeter.runtime.budget.reservation import Part, Reservation
from agentmeter.runtime.budget.store import BudgetStore, Draw, Hold, Refused
from agentmeter.runtime.faults import logger
from agentmeter.runtime.state import STATE

_ROUNDS = 64
"""Others may take what was left between two looks; after so many the call is refused."""
_ONLY_A_CALL = Demand(call=Call(), input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True)
class Question:
    """What the application is asked: whether a call may pass a budget's limit."""

    over: BudgetExceeded
    ask: Callable[[BudgetExceeded], Any] | None


Decision = Generator[Question, bool, Reservation | None]


class Admission:
    """One call at the gate."""

    def __init__(
        self,
        store: BudgetStore,
        parts: tuple[Part, ...],
        outer: Reservation | None,
        demand: Callable[[], Demand],
        stream: bool,
    ) -> None:
        self._store = store
        self._parts = parts
        self._levels = tuple(outer.levels()) if outer is not None else ()
        self._make_demand = demand
        self._stream = stream
        self._limited = [part for part in parts if _counts_tokens(part.account)]
        self._priced = any(part.account.budget.usd is not None for part in self._limited)
        self._demand = _ONLY_A_CALL
        self._found: tuple[Demand, Worst] | None = None
        self._lease = STATE.new_id(8)
        self._passed: set[str] = set()
        """The accounts whose limits this call may pass, since somebody said so."""
        self._output_limit: int | None = None
        self._stream_limit: int | None = None
        self._is_assumed = False
        """Whether the longest answer of the model is what was asked for, since nobody says less."""

    def decide(self) -> Decision:
        """Ask every account until all have let the call in, or one has refused it."""
        now = STATE.now_ns()
        for part in self._parts:
            if part.account.out_of_time(now):
                yield from self._exceeded(part.account, part.account.too_late(now))
        if self._limited:
            self._demand = self._make_demand()
            self._limit_output()
            self._refuse_unknown()
        for _ in range(_ROUNDS):
            found = self._worst()
            answer = self._reserve(found)
            if not isinstance(answer, Refused):
                return answer
            refused = answer
            yield from self._refused(answer, found)
        raise self._over(refused, found, "others took what was left at every try")

    def _worst(self) -> Worst:
        """The demand at its dearest; worked out once for each."""
        if self._found is None or self._found[0] is not self._demand:
            self._found = self._demand, worst(self._demand, priced=self._priced)
        return self._found[1]

    def _limit_output(self) -> None:
        """Without a limit of its own a call may take what a budget says, its model, or one leaves.

        A budget's word goes for any model, but no answer is longer than its model's longest.
        """
        if self._demand.output_tokens is not None or self._demand.charge is not None:
            return
        longest = self._demand.longest
        stated = [p.account.budget.default_output for p in self._limited]
        known = [tokens for tokens in (*stated, longest) if tokens is not None]
        if known:
            self._demand = self._demand.generating(min(known))
            self._is_assumed = min(known) == longest
            return
        for part in self._limited:
            if part.account.budget.action == "clamp":
                self._leave_what_is_left(part)

    def _leave_what_is_left(self, part: Part) -> None:
        account, none = part.account, worst(self._demand.generating(0), priced=self._priced)
        (standing,) = self._store.standing([account.key])
        for measure in ("usd", "tokens"):
            if account.budget.limit(measure) is None or (measure == "usd" and not none.each):
                continue
            over = account.too_little(measure, standing, part.of_draw(none.all), None)
            tokens = none.fitting(measure, _whole(over.left or 0, part))
            if self._demand.output_tokens is None or tokens < self._demand.output_tokens:
                self._lower(part, tokens, over)

    def _refuse_unknown(self) -> None:
        reason = self._worst().reason
        for part in self._limited if reason is not None else ():
            account = part.account
            if account.budget.unknown == "allow":
                account.counted("open_ended")
                continue
            measure = "usd" if account.budget.usd is not None else "tokens"
            (standing,) = self._store.standing([account.key])
            told = f"the call's worst case is not known: {reason}"
            self._raise(account, account.too_little(measure, standing, None, told))

    def _reserve(self, found: Worst) -> Refused | Reservation:
        own = tuple(part for part in self._parts if not self._level_of(part))
        made = Reservation(self._store, self._lease, own, found)
        with ExitStack() as stack:
            for level in self._levels:
                stack.enter_context(level.lock)
            more = self._more(found.all)
            answer = self._store.reserve([self._hold(p, found, more) for p in self._parts])
            if isinstance(answer, Refused):
                return answer
            self._drawn(found.all, more)
        for part, standing in zip(self._parts, answer, strict=True):
            part.account.saw(standing)
        made.outer = self._levels[0] if self._levels else None
        made.output_limit, made.stream_limit = self._output_limit, self._stream_limit
        return made

    def _level_of(self, part: Part) -> Reservation | None:
        """The reservation around the call that holds an account already."""
        key = part.account.key
        return next(
            (one for one in self._levels if any(p.account.key == key for p in one.parts)), None
        )

    def _more(self, need: Draw) -> dict[str, Draw]:
        """By how much each reservation around the call has to be widened, by its lease."""
        more: dict[str, Draw] = {}
        for level in self._levels:
            need = more[level.lease] = (level.taken_inside + need).above(level.total)
        return more

    def _drawn(self, need: Draw, more: dict[str, Draw]) -> None:
        for level in self._levels:
            level.begun_inside += need
            need = more[level.lease]
            level.total += need

    def _hold(self, part: Part, found: Worst, more: dict[str, Draw]) -> Hold:
        """What an account is asked for; where a call around this one holds it, what is lacking."""
        level = self._level_of(part)
        lease, need = self._lease, found.all
        if level is not None:
            lease, need = level.lease, more[level.lease]
        return part.account.hold(
            lease,
            part.of_draw(need),
            pass_limits=part.account.key in self._passed,
            open_ended=found.reason is not None and level is None,
        )

    def _over(self, answer: Refused, found: Worst, reason: str | None) -> BudgetExceeded:
        part = self._parts[answer.index]
        need = part.of_draw(found.all)
        return part.account.too_little(answer.measure, answer.standing, need, reason)

    def _refused(self, answer: Refused, found: Worst) -> Decision:
        part = self._parts[answer.index]
        budget, over = part.account.budget, self._over(answer, found, self._told(answer, found))
        cuts = self._stream and budget.cut_streams
        if (budget.action == "clamp" or cuts) and self._demand.charge is None:
            self._lower(part, found.fitting(answer.measure, _whole(over.left or 0, part)), over)
            return None
        if answer.measure != "calls" and self._clamped_by_others():
            return None
        return (yield from self._exceeded(part.account, over))

    def _clamped_by_others(self) -> bool:
        """Whether a budget that clamps leaves less than what another one has refused."""
        before = self._demand
        for part in self._limited if before.charge is None else ():
            if part.account.budget.action == "clamp" and self._level_of(part) is None:
                self._leave_what_is_left(part)
        return self._demand is not before

    def _told(self, answer: Refused, found: Worst) -> str | None:
        """Why the worst case is what it is, and what to do about that."""
        if found.reason is not None or not self._is_assumed or answer.measure == "calls":
            return found.reason
        longest = f"{self._demand.longest:,}"
        return f"nothing limits its output but its model, at {longest} tokens ({LIMIT_IT})"

    def _lower(self, part: Part, tokens: int, over: BudgetExceeded) -> None:
        """Let the call in for fewer tokens of output; refuse it where those would be of no use."""
        budget = part.account.budget
        if tokens < budget.least_output:
            reason = f"fewer than {budget.least_output} tokens of output would fit"
            self._raise(part.account, over.because(reason))
        part.account.counted("clamped")
        tokens = min(tokens, self._demand.output_tokens or tokens)
        self._demand = self._demand.generating(tokens)
        if budget.action == "clamp":
            self._output_limit = tokens
        if self._stream and budget.cut_streams:
            self._stream_limit = tokens

    def _exceeded(self, account: Account, over: BudgetExceeded) -> Decision:
        """Raise, or let the call pass the account's limits, as its budget says."""
        action = account.budget.action
        if action == "warn" or (action == "ask" and (yield Question(over, account.budget.ask))):
            account.counted("exceeded")
            self._passed.add(account.key)
            if action == "warn":
                _warn(account, over)
            return None
        return self._raise(account, over)

    def _raise(self, account: Account, over: BudgetExceeded) -> NoReturn:
        account.counted("refused")
        raise over


def _whole(left: Decimal | int, part: Part) -> Decimal | int:
    """Of shared work an account bears a part; what its part leaves room for in all."""
    if isinstance(left, int):
        return left * part.of // part.weight
    return CONTEXT.divide(CONTEXT.multiply(left, part.of), part.weight)


def _warn(account: Account, over: BudgetExceeded) -> None:
    if account.counts["exceeded"] == 1:
        logger.warning("%s", over)
    figures = {"budget": over.budget, "scope": over.scope, "measure": over.measure}
    trace.get_current_span().add_event(
        "agentmeter.budget.exceeded",
        {**figures, "limit": str(over.limit), "spent": str(over.spent), "needed": str(over.needed)},
    )


def _counts_tokens(account: Account) -> bool:
    return account.budget.usd is not None or account.budget.tokens is not None
