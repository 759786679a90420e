"""Bodies of requests and answers: JSON, forms with files in them, text and bytes."""

import json
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

_WORDS = {"true": True, "false": False}


def fields_of(kind: str, body: bytes) -> Mapping[str, Any]:
    """The fields of a request; of a form the texts, and the bytes of its files."""
    if not kind.startswith("multipart/"):
        return json.loads(body or b"{}")  # type: ignore[no-any-return]
    form = BytesParser(policy=HTTP).parsebytes(
        b"content-type: " + kind.encode() + b"\r\n\r\n" + body
    )
    found: dict[str, Any] = {}
    for part in form.iter_parts():
        content: Any = part.get_payload(decode=True)
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename() is None:
            text = content.decode()
            found[name] = _WORDS.get(text, text)
        else:
            found[name] = content
    return found


def content_of(answer: Any) -> tuple[bytes, str]:
    """An answer's bytes, and their content type."""
    if isinstance(answer, bytes):
        return answer, "text/event-stream" if answer.startswith(b"data:") else "audio/mpeg"
    if isinstance(answer, str):
        return answer.encode(), "text/plain; charset=utf-8"
    return json.dumps(answer).encode(), "application/json"
