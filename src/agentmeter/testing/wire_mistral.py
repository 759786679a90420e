"""Mistral's protocol: OpenAI's chat, with the usage always in the last chunk of a stream."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]
Event = tuple[bool, bytes]
Plain = Callable[[Any, Body, str], dict[str, Any]]
Stream = Callable[[Any, Body, str], Iterator[Event]]


def with_usage(stream: Stream) -> Stream:
    """The stream of a chat that tells its usage to whoever asks for it, told to all."""

    def told(reply: Any, body: Body, number: str) -> Iterator[Event]:
        return stream(reply, {**body, "stream_options": {"include_usage": True}}, number)

    return told


def with_id(body: Plain) -> Plain:
    """Embeddings, which have an id here."""
    return lambda reply, asked, number: {"id": f"emb-{number}", **body(reply, asked, number)}


def ocr_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """Pages that were read; ``input`` is how many."""
    page = {"index": 0, "markdown": reply.text, "images": [], "dimensions": None}
    pages = [{**page, "index": at} for at in range(reply.input)]
    usage = {"pages_processed": reply.input, "doc_size_bytes": 1000}
    return {"pages": pages, "model": body.get("model"), "usage_info": usage}
