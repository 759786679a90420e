"""What answers and streams of Mistral's say, and how a body is counted."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agentmeter.integration import UNKNOWN, Accumulator, Body, Call, facts_of, tokenizer


def item(of: Any, name: str) -> Any:
    """A field of an object of the client's, or of the mapping that it was made from."""
    return of.get(name) if type(of) is dict else getattr(of, name, None)


def facts(answer: Any, provider: str | None = None) -> Call:
    """Usage and identity of an answer, without dumping all of it."""
    usage = item(answer, "usage") or item(answer, "usage_info")
    reasons = [
        {"finish_reason": item(one, "finish_reason")} for one in item(answer, "choices") or ()
    ]
    said = {
        "id": item(answer, "id") or item(answer, "conversation_id"),
        "model": item(answer, "model"),
        "usage": usage or {},
        "choices": reasons,
    }
    return facts_of(said, provider)


def embedding_facts(answer: Any, provider: str | None = None) -> Call:
    """Embeddings have an input only, also where the answer says nothing of it."""
    said = facts(answer, provider)
    return said if said.usage else replace(said, evidence={"input": UNKNOWN})


def answer_in(error: BaseException) -> Any:
    """An answer that this version of the client could not make its objects of: it is paid."""
    if getattr(error, "status_code", None) != 200:
        return None
    return json.loads(getattr(error, "body", None) or "null")


class Stream(Accumulator):
    """The events of a completion, a conversation or a transcription: each has its data."""

    def __init__(self, provider: str | None) -> None:
        super().__init__()
        self._provider = provider
        self._said: dict[str, Any] = {}
        self._reasons: dict[int, Any] = {}

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        data = item(event, "data")
        for name in ("id", "conversation_id", "model", "usage"):
            if item(data, name):
                self._said[name] = item(data, name)
        if (item(data, "type") or "").endswith(("response.done", "transcription.done")):
            self.finished = True
        self.texts.extend(_texts(item(data, "content")))
        for choice in item(data, "choices") or ():
            self._take(choice)
        return False

    def _take(self, choice: Any) -> None:
        if item(choice, "finish_reason"):
            self._reasons[item(choice, "index")] = item(choice, "finish_reason")
            self.finished = True
        delta = item(choice, "delta")
        self.texts.extend(_texts(item(delta, "content")))
        for call in item(delta, "tool_calls") or ():
            function = item(call, "function")
            self.texts.append(f"{item(function, 'name') or ''}{item(function, 'arguments') or ''}")

    def facts(self) -> Call:
        """What has been said so far."""
        choices = [{"finish_reason": self._reasons[at]} for at in sorted(self._reasons)]
        return facts({**self._said, "choices": choices}, self._provider)


def _texts(content: Any) -> Iterator[str]:
    """Of content that is text, or a list of pieces with text or thoughts in them."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, (list, tuple)):
        for piece in content:
            yield from _texts(item(piece, "text") or item(piece, "thinking"))


def count_input(body: Body, model: str) -> int:
    """An estimate of a body's input tokens."""
    if body.get("messages"):
        return tokenizer.count_chat_input(body["messages"], body.get("tools"), model).tokens
    given = body.get("inputs") or [body.get(name) or "" for name in ("prompt", "suffix")]
    texts = [given] if isinstance(given, str) else given
    said = (one if isinstance(one, str) else "".join(_texts(item(one, "content"))) for one in texts)
    return tokenizer.count("\n".join(said), model).tokens
