"""Replay recorded exchanges through the real openai client, and compare what was metered.

    python -m tests.replay FOLDER --json

prints a line for every cassette: file, provider, calls, usage by meter, and whether that agrees
with the usage in the recorded bodies (``null`` where there was nothing to compare, with why).
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import yaml

import agentmeter as am
from agentmeter.model import Usage
from agentmeter.testing import metered

PATHS = ("/chat/completions", "/responses", "/embeddings")


def main() -> None:
    """Replay every cassette below a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    options = parser.parse_args()
    am.instrument("openai")
    results = [replay(file, options.folder) for file in sorted(options.folder.rglob("*.y*ml"))]
    for result in results:
        shown = json.dumps(result) if options.json else "  ".join(map(str, result.values()))
        sys.stdout.write(shown + "\n")
    agreed = [result["agreed"] for result in results]
    counts = (agreed.count(True), agreed.count(False), agreed.count(None))
    sys.stderr.write("agreed {}, disagreed {}, not compared {}\n".format(*counts))


def replay(file: Path, folder: Path) -> dict[str, Any]:
    """One cassette through the client."""
    result: dict[str, Any] = {
        "file": str(file.relative_to(folder)),
        "provider": None,
        "calls": 0,
        "usage": {},
        "agreed": None,
        "why": None,
    }
    try:
        recorded = [one for one in exchanges(file) if one is not None]
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        return {**result, "why": f"not a cassette: {type(error).__name__}"}
    if not recorded:
        return {**result, "why": "no exchange with OpenAI's chat, responses or embeddings"}
    with metered() as meter:
        for path, body, answer in recorded:
            send(path, body, answer)
        report = meter.report().unattributed
    usage = report.usage if report else Usage()
    result.update(provider="openai", calls=len(recorded), usage=dict(usage))
    truths = [truth(answer) for _, _, answer in recorded]
    if any(one is None for one in truths):
        evidence = dict(report.evidence) if report else {}
        return {**result, "why": f"a recorded body has no usage; metered as {evidence}"}
    whole = [sum(one[place] for one in truths if one) for place in range(4)]
    found = [
        usage.total_input,
        usage.get("cache_read", 0),
        usage.total_output,
        usage.get("reasoning", 0),
    ]
    return {**result, "agreed": whole == found, "why": None if whole == found else f"{whole}"}


def exchanges(file: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]] | None]:
    """The exchanges with OpenAI in a cassette: path, request body, response."""
    cassette = yaml.load(
        file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    for one in cassette["interactions"]:
        request, response = one["request"], one["response"]
        uri = str(request["uri"]).partition("?")[0]
        path = next((path for path in PATHS if uri.endswith(path)), None)
        if path is None or "openai" not in uri or request["method"].upper() != "POST":
            yield None
            continue
        body = request.get("parsed_body") or json.loads(text_of(request["body"]))
        yield path, body, response


def text_of(body: Any) -> str:
    """A body as text, in the shapes that recorders write it."""
    if isinstance(body, dict):
        body = body.get("string", body.get("base64_string", ""))
    if isinstance(body, bytes):
        import gzip

        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        return body.decode("utf-8")
    return str(body or "")


def answer_of(response: dict[str, Any]) -> tuple[int, str, str]:
    """Status, content type and text of a recorded response."""
    status = response.get("status", response.get("status_code", 200))
    code = status["code"] if isinstance(status, dict) else int(status)
    if "parsed_body" in response:
        text = json.dumps(response["parsed_body"])
    else:
        text = text_of(response.get("body", response.get("content")))
    kind = (
        "text/event-stream" if text.lstrip().startswith(("data:", "event:")) else "application/json"
    )
    return code, kind, text


def send(path: str, body: dict[str, Any], response: dict[str, Any]) -> None:
    """Make the recorded request with the real client, answered by the recorded response."""
    status, kind, text = answer_of(response)
    http = _http()

    def answer(_: Any) -> Any:
        return http.Response(status, headers={"content-type": kind}, content=text.encode())

    transport = http.Client(transport=http.MockTransport(answer))
    client = openai.OpenAI(api_key="replay", http_client=transport, max_retries=0)
    try:
        made = _method(client, path)(**body)
        if body.get("stream"):
            for _ in made:
                pass
    except openai.OpenAIError:
        pass
    finally:
        client.close()


def _http() -> Any:
    if int(openai.__version__.split(".")[0]) >= 3:
        import httpx2

        return httpx2
    import httpx

    return httpx


def _method(client: openai.OpenAI, path: str) -> Callable[..., Any]:
    if path == "/chat/completions":
        return client.chat.completions.create
    return client.responses.create if path == "/responses" else client.embeddings.create


def truth(response: dict[str, Any]) -> tuple[int, int, int, int] | None:
    """Input, cached, output and reasoning tokens that the recorded body itself states."""
    status, kind, text = answer_of(response)
    if status >= 400:
        return (0, 0, 0, 0)
    usage = None
    for document in documents(kind, text):
        inner = document.get("response") if isinstance(document.get("response"), dict) else document
        usage = inner.get("usage") or usage
    if not usage:
        return None
    inputs = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    outputs = usage.get("completion_tokens", usage.get("output_tokens", 0)) or 0
    in_details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    out_details = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    cached = in_details.get("cached_tokens") or 0
    return (inputs, cached, outputs, out_details.get("reasoning_tokens") or 0)


def documents(kind: str, text: str) -> Iterator[dict[str, Any]]:
    """The JSON documents of a body: one, or one for every server-sent event."""
    if kind == "application/json":
        yield json.loads(text)
        return
    for line in text.splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


if __name__ == "__main__":
    main()
