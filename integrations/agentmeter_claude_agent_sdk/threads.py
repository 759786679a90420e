"""A line of talk with a model: the main one, or that of a sub-agent; its messages and tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmeter.integration import (
    REPORTED,
    AgentScope,
    Attempt,
    CallScope,
    Scope,
    Status,
    Usage,
    facts_of,
)
from agentmeter_claude_agent_sdk.usage import evidence

OBSERVER = "agentmeter.claude-agent-sdk"
PROVIDER = "anthropic"


@dataclass(slots=True)
class Message:
    """One assistant message, which arrives in pieces under one id."""

    scope: CallScope
    model: str
    usage: Usage = field(default_factory=Usage)
    whole: bool = False
    """Whether all of its output has been told, and not only its beginning."""

    def see(self, body: Mapping[str, Any], now_ns: int, *, whole: bool) -> None:
        """A piece of it, or its last delta: all tell of the message so far."""
        facts = facts_of(body, PROVIDER)
        self.scope.ended_ns = now_ns
        self.whole = self.whole or whole
        if facts.usage and (whole or not self.whole):
            self.usage = facts.usage  # each tells of the message as a whole
        names = ("service_tier", "speed", "region", "finish_reasons")
        said = {name: value for name in names if (value := getattr(facts, name))}
        self.scope.update(**said)

    def close(self, status: Status | None = None) -> None:
        """It is over; what of its output is not known yet may be told by the result."""
        self.scope.update(usage=self.usage, evidence=evidence(self.usage, whole=self.whole))
        self.scope.close(status=status)

    def settle(self, rest: Usage) -> None:
        """The result has told the rest: with that, it is whole."""
        self.whole = True
        self.usage = self.usage + rest
        self.scope.amend(self.usage, evidence(self.usage, whole=True))


class Thread:
    """The messages of one agent, one after the other."""

    def __init__(self, name: str, parent: Scope | None, now_ns: int) -> None:
        self.scope = AgentScope(name)
        self.scope.open(parent)
        self.since_ns = now_ns
        """When the model was asked last, as far as the frames tell."""
        self.message: Message | None = None
        self._attempts: list[Attempt] = []

    def begin(self, body: Mapping[str, Any], model: str, now_ns: int) -> Message:
        """Another message has begun to arrive: the one before is over."""
        self.over()
        scope = self._call(model, response_id=body.get("id"))
        if self._attempts:
            done = Attempt(self.since_ns, now_ns, 200)
            scope.update(attempts=(*self._attempts, done))
        self._attempts.clear()
        scope.open(self.scope)
        self.message = Message(scope, model)
        return self.message

    def _call(self, model: str, **facts: Any) -> CallScope:
        facts = {"provider": PROVIDER, "model": model, "operation": "chat", **facts}
        scope = CallScope(model, stream=True, **facts)
        scope.observer = OBSERVER
        scope.started_ns = self.since_ns
        return scope

    def asked_again(self, frame: Mapping[str, Any], now_ns: int) -> None:
        """A try has failed, and another one follows."""
        status, error = frame.get("error_status"), frame.get("error")
        self._attempts.append(Attempt(self.since_ns, now_ns, status, str(error or "error")))
        self.since_ns = now_ns

    def failed(self, model: str, frame: Mapping[str, Any], now_ns: int) -> None:
        """No message came in the end."""
        self.over()
        self.asked_again(frame, now_ns)
        scope = self._call(model, attempts=tuple(self._attempts), evidence={"request": REPORTED})
        scope.started_ns = self._attempts[0].started_ns
        scope.error_type = str(frame.get("error") or "error")
        self._attempts.clear()
        scope.open(self.scope)
        scope.close(status=Status.ERROR)

    def over(self, status: Status | None = None) -> None:
        """The message that arrived last is over."""
        if self.message is not None:
            self.message.close(status)
            self.message = None

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """The agent is done."""
        self.over(status)
        self.scope.close(error, status)
