"""Pictures and audio: billed by tokens, by the picture, by the second, or by the character.

Newer models tell the tokens that they took. Of the older ones ``dall-e`` bills by the picture,
``whisper`` by the second and ``tts`` by the character of what was to be said, which the answer
does not repeat; and audio as bytes or a transcript as plain text tells nothing at all.
"""

import json
from collections.abc import Mapping
from typing import Any

from agentmeter.integration import (
    ESTIMATED,
    UNKNOWN,
    Accumulator,
    Body,
    Call,
    Content,
    Endpoint,
    Exchange,
    Usage,
    facts_of,
    tokenizer,
)
from agentmeter_openai.streams import item

_BY_SECOND = "whisper"
_BY_CHARACTER = "tts-"
_NOBODY_SAYS = dict.fromkeys(("input", "output"), UNKNOWN)


def _image_facts(answer: Any, provider: str | None) -> Call:
    """Tokens, or where none are told the pictures that were made."""
    usage = item(answer, "usage")
    if usage is not None:
        return facts_of({"usage": usage}, provider)
    made = item(answer, "data")
    return Call(usage=Usage(image=len(made))) if made else Call(evidence=_NOBODY_SAYS)


class _LastTells(Accumulator):
    """A stream whose last event, of a kind that ends so, tells the usage."""

    ends: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    """The kinds of events whose ``delta`` is text that was generated."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self._usage: Any = None

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        kind = item(event, "type") or ""
        if kind.endswith(self.ends):
            self.finished = True
            self._usage = item(event, "usage")
        elif kind in self.adds:
            self.texts.append(item(event, "delta") or "")
        return False

    def facts(self) -> Call:
        """What the last event said; before it nobody knows."""
        if self._usage is None:
            return Call(evidence=_NOBODY_SAYS)
        return self._exchange.read({"usage": self._usage})

    @property
    def text(self) -> str | None:
        """What was generated, where it is text."""
        return super().text if self.adds else None


class _ImageStream(_LastTells):
    ends = (".completed",)


class _TranscriptStream(_LastTells):
    ends = ("transcript.text.done",)
    adds = ("transcript.text.delta",)


class _SpeechStream(_LastTells):
    ends = ("speech.audio.done",)


def _heard_facts(answer: Any, provider: str | None) -> Call:
    """Tokens or seconds as they are told; of a detailed answer how long the audio was."""
    usage = item(answer, "usage")
    duration = item(answer, "duration")
    if usage is None and duration is not None:
        usage = {"type": "duration", "seconds": float(duration)}
    return facts_of({"usage": usage}, provider) if usage is not None else Call()


def _heard_from(body: Body) -> Call:
    """How a model bills whose answer does not tell: nobody knows how much."""
    by_second = str(body.get("model")).startswith(_BY_SECOND)
    return Call(evidence={"audio_second": UNKNOWN} if by_second else _NOBODY_SAYS)


def _spoken_facts(answer: Any, provider: str | None) -> Call:
    """What the last of a speech's events tells, where it is told in events."""
    if isinstance(answer, Mapping):
        return _spoken(answer["usage"], provider)
    content = answer if isinstance(answer, bytes) else getattr(answer, "content", b"")
    if not content.startswith((b"data:", b"event:")):
        return Call()
    lines = [line[5:] for line in content.splitlines() if line.startswith(b"data:")]
    usage = json.loads(lines[-1]).get("usage") if lines else None
    return _spoken(usage, provider) if usage else Call()


def _spoken(usage: Any, provider: str | None) -> Call:
    """All output of speech is audio, and no field says so."""
    said = facts_of({"usage": usage}, provider).usage
    return Call(usage=Usage(input=said.total_input, output_audio=said.total_output))


def _spoken_from(body: Body) -> Call:
    """A model that bills by the character: those of the text. Else audio that nobody measures."""
    if str(body.get("model")).startswith(_BY_CHARACTER):
        characters = Usage(character=len(str(body.get("input") or "")))
        return Call(usage=characters, evidence={"character": ESTIMATED})
    return Call(evidence={"input": UNKNOWN, "output_audio": UNKNOWN})


def _count_spoken(body: Body, model: str) -> int:
    texts = (body.get("instructions"), body.get("input"))
    said = "\n".join(text for text in texts if isinstance(text, str))
    return tokenizer.count(said, model).tokens


_IMAGES = Endpoint(operation="image_generation", facts=_image_facts, accumulator=_ImageStream)
MEDIA = {
    "/images/generations": _IMAGES,
    "/images/edits": _IMAGES,
    "/images/variations": _IMAGES,
    "/audio/transcriptions": Endpoint(
        operation="transcription",
        facts=_heard_facts,
        from_body=_heard_from,
        accumulator=_TranscriptStream,
        content=Content,
    ),
    "/audio/translations": Endpoint(
        operation="translation", facts=_heard_facts, from_body=_heard_from, content=Content
    ),
    "/audio/speech": Endpoint(
        operation="speech",
        facts=_spoken_facts,
        from_body=_spoken_from,
        accumulator=_SpeechStream,
        count_input=_count_spoken,
        content=Content,
    ),
}
