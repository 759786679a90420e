"""One metered exchange with the API: its call scope, its attempts, and how it ends."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.integration import (
    COUNTER,
    ESTIMATED,
    FAULTS,
    REPORTED,
    UNKNOWN,
    Attempt,
    Call,
    CallScope,
    Evidence,
    Extent,
    Source,
    Status,
    Usage,
    amend_usage,
    current_scope,
    describe_input,
    facts_of,
    guarded,
    now_ns,
    tokenizer,
    until_exit,
)

_OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/embeddings": "embeddings",
}
_SHAPES = {
    "/chat/completions": "openai.chat",
    "/responses": "openai.responses",
    "/embeddings": "openai.embeddings",
}
_AZURE = ".openai.azure.com"
_AT_LEAST = Evidence(Source.ESTIMATED, Extent.AT_LEAST)


class Attempts:
    """The tries of one call, as they begin and end."""

    def __init__(self) -> None:
        self.done: list[Attempt] = []
        self._started: int | None = None

    def begin(self) -> None:
        """A request is being built."""
        self._started = now_ns()

    def end(self, http_status: int | None, error_type: str | None = None) -> None:
        """The try that began last is over."""
        if self._started is not None:
            self.done.append(Attempt(self._started, now_ns(), http_status, error_type))
            self._started = None


class Exchange:
    """What is known of one exchange until it ends, exactly once."""

    def __init__(self, scope: CallScope, options: Any, body: Mapping[str, Any], path: str) -> None:
        self.scope = scope
        self.options = options
        self.body: Mapping[str, Any] | None = body
        self.path = path
        self.hides_usage = False
        self.attempts = Attempts()
        self._lock = threading.Lock()
        self._over = False
        self._stream_ends: Callable[[], None] | None = None
        until_exit(self)

    def streams(self, give_up: Callable[[], None]) -> None:
        """The answer is a stream; ``give_up`` ends it with what has arrived."""
        self._stream_ends = give_up

    def give_up(self) -> None:
        """End now, with what is known."""
        if self._stream_ends is not None:
            self._stream_ends()
        self.ended(Status.CLOSED)

    def failed(self, error: BaseException) -> None:
        """``request`` raised; a parsed completion may still hang on the error."""
        with guarded("openai error"):
            status = getattr(error, "status_code", None)
            self.attempts.end(status, None if status else type(error).__name__)
            completion = getattr(error, "completion", None)
            if completion is not None:
                self._take(facts_from(completion))
        self.ended(_status_of(error), error)

    def answered(self, facts: Call) -> None:
        """A whole answer has arrived."""
        with guarded("openai usage"):
            self._take(facts)
        self.ended(Status.OK)

    def _take(self, facts: Call) -> None:
        evidence = facts.evidence or dict.fromkeys(facts.usage, REPORTED) or {"request": REPORTED}
        self.scope.update(
            usage=facts.usage,
            evidence=evidence,
            response_model=facts.response_model,
            response_id=facts.response_id,
            service_tier=facts.service_tier,
            finish_reasons=facts.finish_reasons,
        )

    def stream_ended(
        self, facts: Call, text: str, status: Status, error: BaseException | None = None
    ) -> None:
        """A stream is over; what it did not report is counted off-thread and amended."""
        body, self.body = self.body, None
        known = bool(facts.usage)
        with guarded("openai usage"):
            self._take(facts)
        if not self.ended(status, error) or known or body is None:
            return
        extent = ESTIMATED if status is Status.OK else _AT_LEAST
        scope, path = self.scope, self.path
        COUNTER.submit(lambda: _estimate(scope, path, body, text, extent))

    def ended(self, status: Status, error: BaseException | None = None) -> bool:
        """Close the call; whether this was the first end."""
        with self._lock:
            if self._over:
                return False
            self._over = True
        self._stream_ends = None
        self.attempts.end(200)
        self.scope.update(attempts=tuple(self.attempts.done))
        self.scope.close(error, status)
        return True


def _estimate(
    scope: CallScope, path: str, body: Mapping[str, Any], text: str, output: Evidence
) -> None:
    model = str(body.get("model") or "")
    prompt = _count_input(path, body, model)
    generated = tokenizer.count(text, model)
    usage = Usage(input=prompt.tokens, output=generated.tokens)
    amend_usage(scope, usage, {"input": ESTIMATED, "output": output})


def _count_input(path: str, body: Mapping[str, Any], model: str) -> tokenizer.TokenCount:
    if path == "/chat/completions":
        return tokenizer.count_chat_input(body.get("messages") or (), body.get("tools"), model)
    given = body.get("input") or ""
    tools = body.get("tools")
    return tokenizer.count_responses_input(given, body.get("instructions"), tools, model)


def _status_of(error: BaseException) -> Status:
    return Status.CANCELLED if type(error).__name__ == "CancelledError" else Status.ERROR


def begin(client: Any, options: Any) -> Exchange | None:
    """The exchange for a request; ``None`` for what is not metered, and where metering fails."""
    try:
        return _begin(client, options)
    except Exception as error:
        FAULTS.count("openai request", error)
        return None


def _begin(client: Any, options: Any) -> Exchange | None:
    path = next((path for path in _OPERATIONS if str(options.url).endswith(path)), None)
    body = options.json_data
    if path is None or str(options.method).lower() != "post" or not isinstance(body, Mapping):
        return None
    stream = bool(body.get("stream"))
    scope = CallScope(
        provider="azure" if _AZURE in str(client.base_url) else "openai",
        model=body.get("model") if isinstance(body.get("model"), str) else None,
        operation=_OPERATIONS[path],
        stream=stream,
    )
    exchange = Exchange(scope, options, body, path)
    if stream and path == "/chat/completions":
        _ask_for_usage(exchange, body)
    scope.open(current_scope())
    describe_input(scope, _SHAPES[path], body)
    return exchange


def _ask_for_usage(exchange: Exchange, body: Mapping[str, Any]) -> None:
    """Ask for the usage chunk where the caller did not; it will be hidden from them."""
    given = body.get("stream_options")
    given = given if isinstance(given, Mapping) else {}
    if given.get("include_usage"):
        return
    exchange.hides_usage = True
    exchange.options = exchange.options.model_copy()
    asked = {**given, "include_usage": True}
    exchange.options.json_data = {**body, "stream_options": asked}


def facts_from(response: Any) -> Call:
    """The facts of a response object of the SDK, without dumping all of it."""
    choices = getattr(response, "choices", None) or ()
    return facts_of(
        {
            "usage": getattr(response, "usage", None),
            "id": getattr(response, "id", None),
            "model": getattr(response, "model", None),
            "service_tier": getattr(response, "service_tier", None),
            "choices": [{"finish_reason": getattr(one, "finish_reason", None)} for one in choices],
        }
    )


__all__ = ["UNKNOWN", "Exchange", "begin", "facts_from"]
