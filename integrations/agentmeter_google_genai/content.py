"""Content and embeddings: what an answer says, what a stream has said so far, what a body holds.

Bodies are those of the wire, which Gemini's API and Vertex AI spell alike.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    REPORTED,
    UNKNOWN,
    Accumulator,
    Body,
    Call,
    Evidence,
    Extent,
    Source,
    Usage,
    facts_of,
    tokenizer,
)

_OUTPUT = ("output", "output_audio", "output_image", "output_video", "reasoning")
_SO_FAR = Evidence(Source.REPORTED, Extent.AT_LEAST)


def facts(answer: Any, provider: str | None = None) -> Call:
    """Usage, identity and conditions of an answer, and the searches that it is grounded on."""
    said = facts_of({"usageMetadata": {}, **answer}, provider)
    searched = _searches(answer, said.response_model or "")
    if not searched or not said.usage:
        return said
    return replace(said, usage=Usage({**said.usage, "web_search": searched}))


def _searches(answer: Any, model: str) -> int:
    """Billed by the query from Gemini 3 on, before by the prompt, however many queries it made."""
    made = [
        query
        for one in answer.get("candidates") or ()
        for query in (one.get("groundingMetadata") or {}).get("webSearchQueries") or ()
    ]
    by_the_prompt = model.startswith(("gemini-1", "gemini-2"))
    return min(len(made), 1) if by_the_prompt else len(made)


def embedding_facts(answer: Any, provider: str | None = None) -> Call:
    """The tokens of what was embedded; Gemini's API says them of its newer models only."""
    if (answer.get("usageMetadata") or {}).get("promptTokenCount") is not None:
        return facts(answer, provider)
    statistics = [
        (one.get("embeddings") or {}).get("statistics") or {}
        for one in answer.get("predictions") or ()
    ]
    counts = [int(one["token_count"]) for one in statistics if "token_count" in one]
    if counts:
        return Call(usage=Usage(input=sum(counts)))
    return Call(evidence={"input": UNKNOWN})


def image_facts(answer: Any, provider: str | None = None) -> Call:
    """Imagen is billed by the picture; those that a filter held back are not."""
    made = [one for one in answer.get("predictions") or () if "bytesBase64Encoded" in one]
    return Call(usage=Usage(image=len(made))) if made else Call(evidence={"request": REPORTED})


def texts(answer: Any) -> Iterator[str]:
    """What a whole answer says."""
    for candidate in answer.get("candidates") or ():
        yield from _texts(candidate.get("content"))


class ContentStream(Accumulator):
    """The pieces of an answer; each tells what has been used up to it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._reasons: dict[int, str] = {}
        self._grounding: dict[int, Any] = {}

    def see(self, piece: Any) -> bool:
        """Take a piece; none is hidden."""
        self._said.update({name: piece[name] for name in _IDENTITY if piece.get(name)})
        self._usage.update(piece.get("usageMetadata") or {})
        if (piece.get("promptFeedback") or {}).get("blockReason"):
            self.finished = True
        for candidate in piece.get("candidates") or ():
            self._take(candidate)
        return False

    def _take(self, candidate: Mapping[str, Any]) -> None:
        index = candidate.get("index") or 0
        if candidate.get("finishReason"):
            self._reasons[index] = candidate["finishReason"]
            self.finished = True
        if candidate.get("groundingMetadata"):
            self._grounding[index] = candidate["groundingMetadata"]
        self.texts.extend(_texts(candidate.get("content")))

    def facts(self) -> Call:
        """What has been said; before the last piece the output is at least that."""
        candidates = [
            {"finishReason": self._reasons.get(at), "groundingMetadata": self._grounding.get(at)}
            for at in sorted({*self._reasons, *self._grounding})
        ]
        said = facts({**self._said, "candidates": candidates, "usageMetadata": self._usage})
        if self.finished or not said.usage:
            return said
        evidence = {meter: _SO_FAR if meter in _OUTPUT else REPORTED for meter in said.usage}
        return replace(said, evidence={"output": UNKNOWN, **evidence})


_IDENTITY = ("modelVersion", "responseId")


def count_input(body: Body, model: str) -> int:
    """An estimate of a body's input tokens: its text, and what its tools are declared as."""
    return tokenizer.count("\n".join(_pieces(body)), model).tokens


def _pieces(body: Body) -> Iterator[str]:
    if body.get("tools"):
        yield json.dumps(body["tools"], default=str)
    yield from _texts(body.get("systemInstruction"))
    requests = body.get("requests") or (body,)  # several contents to embed, or one request
    for one in requests:
        for content in (*(one.get("contents") or ()), one.get("content")):
            yield from _texts(content)
    for instance in body.get("instances") or ():
        yield str(instance.get("content", ""))


def _texts(content: Any) -> Iterator[str]:
    """The texts of a content's parts; calls of functions and what they gave are text as well."""
    for part in (content or {}).get("parts") or ():
        if part.get("text"):
            yield part["text"]
        for name in ("functionCall", "functionResponse", "executableCode"):
            if part.get(name):
                yield json.dumps(part[name], default=str)
