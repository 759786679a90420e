"""Streams that a budget cuts: at the tokens that it has left, or when its time is over."""

from typing import TYPE_CHECKING, Protocol

from agentmeter.runtime import tokenizer
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE

# Accounts are loaded with the first budget.
if TYPE_CHECKING:
    from agentmeter.runtime.budget.account import Account


class Texts(Protocol):
    """What has been generated so far, piece by piece."""

    texts: list[str]


class Cutter:
    """Watches one stream for the budgets above it.

    Every piece counts a token at least. What a model thinks and does not show is not seen here;
    the limit of a body holds that too, so that ``action="clamp"`` is the stricter one.
    """

    def __init__(
        self, scope: CallScope, texts: Texts, limit: int | None, accounts: "list[Account]"
    ) -> None:
        self._model = scope.facts.model or ""
        self._texts = texts
        self._limit = limit
        self._accounts = accounts
        self._seen = self._tokens = 0

    def reason(self) -> str | None:
        """Why the stream ends here; ``None`` where it may go on."""
        try:
            return self._out_of_tokens() or self._out_of_time()
        except Exception as error:
            FAULTS.count("cutting a stream", error)
            return None

    def _out_of_tokens(self) -> str | None:
        if self._limit is None:
            return None
        for text in self._texts.texts[self._seen :]:
            self._tokens += max(1, tokenizer.count(text, self._model).tokens) if text else 0
        self._seen = len(self._texts.texts)
        if self._tokens < self._limit:
            return None
        return self._told("limit", f"{self._limit:,} tokens of output were left")

    def _out_of_time(self) -> str | None:
        now = STATE.now_ns()
        if not any(account.out_of_time(now) for account in self._accounts):
            return None
        return self._told("time", "its time is over")

    def _told(self, what: str, reason: str) -> str:
        over = [one for one in self._accounts if what == "limit" or one.out_of_time(STATE.now_ns())]
        for account in over:
            account.counted("cut")
        return f"by budget {over[0].name!r}: {reason}"


def cutter_of(scope: CallScope, texts: Texts) -> Cutter | None:
    """What cuts a stream, where a budget above it asks for that."""
    reservation = scope.reservation
    if reservation is None:
        return None
    accounts = [account for account in reservation.accounts if account.budget.cut_streams]
    return Cutter(scope, texts, reservation.stream_limit, accounts) if accounts else None
