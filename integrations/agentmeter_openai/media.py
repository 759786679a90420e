"""Pictures and audio: the endpoints, and the streams whose last event tells the usage."""

from typing import Any

from agentmeter.integration import (
    NOBODY_SAYS,
    Accumulator,
    Call,
    Content,
    Endpoint,
    Exchange,
    count_spoken,
    heard_facts,
    heard_from,
    image_facts,
    spoken_facts,
    spoken_from,
)
from agentmeter_openai.pictures import written_beside
from agentmeter_openai.streams import item


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
            return Call(evidence=NOBODY_SAYS)
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


_IMAGES = Endpoint(
    operation="image_generation",
    facts=image_facts,
    accumulator=_ImageStream,
    beside=written_beside,
)
MEDIA = {
    "/images/generations": _IMAGES,
    "/images/edits": _IMAGES,
    "/images/variations": _IMAGES,
    "/audio/transcriptions": Endpoint(
        operation="transcription",
        facts=heard_facts,
        from_body=heard_from,
        accumulator=_TranscriptStream,
        content=Content,
    ),
    "/audio/translations": Endpoint(
        operation="translation", facts=heard_facts, from_body=heard_from, content=Content
    ),
    "/audio/speech": Endpoint(
        operation="speech",
        facts=spoken_facts,
        from_body=spoken_from,
        accumulator=_SpeechStream,
        count_input=count_spoken,
        content=Content,
    ),
}
