"""Pictures and audio in OpenAI's shapes: billed by tokens, by the picture, by the second, or by the
character.

Newer models tell the tokens that they took. Of the older ones ``dall-e`` bills by the picture,
``whisper`` by the second and ``tts`` by the character of what was to be said, which the answer
does not repeat; and audio as bytes or a transcript as plain text tells nothing at all.
"""

import json
from typing import Any

from agentmeter.integration.endpoint import Body
from agentmeter.model import ESTIMATED, UNKNOWN, Call, Usage
from agentmeter.runtime import tokenizer
from agentmeter.runtime.call import facts_of

_BY_SECOND = "whisper"
_BY_CHARACTER = "tts-"
NOBODY_SAYS = dict.fromkeys(("input", "output"), UNKNOWN)


def _item(of: Any, name: str) -> Any:
    return of.get(name) if type(of) is dict else getattr(of, name, None)


def image_facts(answer: Any, provider: str | None) -> Call:
    """Tokens, or where none are told the pictures that were made."""
    usage = _item(answer, "usage")
    if usage is not None and (said := facts_of({"usage": usage}, provider)).usage:
        return said
    made = _item(answer, "data")
    return Call(usage=Usage(image=len(made))) if made else Call(evidence=NOBODY_SAYS)


def heard_facts(answer: Any, provider: str | None) -> Call:
    """Tokens or seconds as they are told; of a detailed answer how long the audio was."""
    usage, duration = _item(answer, "usage"), _item(answer, "duration")
    if usage is None and duration is not None:
        usage = {"type": "duration", "seconds": float(duration)}
    return facts_of({"usage": usage}, provider) if usage is not None else Call()


def heard_from(body: Body) -> Call:
    """How a model bills whose answer does not tell: nobody knows how much."""
    by_second = _BY_SECOND in str(body.get("model"))
    return Call(evidence={"audio_second": UNKNOWN} if by_second else NOBODY_SAYS)


def spoken_facts(answer: Any, provider: str | None) -> Call:
    """What the last of a speech's events tells, where it is told in events."""
    if isinstance(answer, dict):
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


def spoken_from(body: Body) -> Call:
    """A model that bills by the character: those of the text. Else audio that nobody measures."""
    if _BY_CHARACTER in str(body.get("model")):
        characters = Usage(character=len(str(body.get("input") or "")))
        return Call(usage=characters, evidence={"character": ESTIMATED})
    return Call(evidence={"input": UNKNOWN, "output_audio": UNKNOWN})


def count_spoken(body: Body, model: str) -> int:
    """An estimate of a speech's input tokens: what is to be said, and how."""
    texts = (body.get("instructions"), body.get("input"))
    said = "\n".join(text for text in texts if isinstance(text, str))
    return tokenizer.count(said, model).tokens
