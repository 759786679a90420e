"""The tries of a call."""

from agentmeter.integration.said import now_ns
from agentmeter.model import Attempt


class Attempts:
    """The tries of one call, as they begin and end."""

    def __init__(self) -> None:
        self.done: list[Attempt] = []
        self._started: int | None = None

    def begin(self) -> None:
        """A request is being sent."""
        self._started = now_ns()

    def end(self, http_status: int | None, error_type: str | None = None) -> None:
        """The try that began last is over."""
        if self._started is not None:
            self.done.append(Attempt(self._started, now_ns(), http_status, error_type))
            self._started = None
