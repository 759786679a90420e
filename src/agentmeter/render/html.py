"""The page: a static shell and one JSON value, in one file or fetched from the server.

Nothing in it asks any other host for anything: styles and script stand in the file, and its
policy allows these two by their digests and nothing else.
"""

import base64
import hashlib
import json
import re
from importlib.resources import files
from typing import Any

_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def page(value: dict[str, Any]) -> str:
    """One self-contained file that shows the page ``value``."""
    return _filled(embedded(value), "connect-src 'none'")


def shell() -> str:
    """The page as a server gives it.

    It fetches its value from ``api/report``, relative to its own address, and again at every
    event that ``api/events`` sends.
    """
    return _filled("null", "connect-src 'self'")


def embedded(value: dict[str, Any]) -> str:
    """A JSON value as the text of a script element, which nothing in it can close."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).translate(_UNSAFE)


def _filled(data: str, connect: str) -> str:
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        f"img-src data:; {connect}; base-uri 'none'; form-action 'none'"
    )
    parts = {"policy": policy, "style": style, "data": data, "script": script}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("shell.html"))


def _part(name: str) -> str:
    return (files("agentmeter.render") / "page" / name).read_text("utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
