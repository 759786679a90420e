"""Batches of Gemini's API: results in the answer of ``get``, or in a file that it names.

Those of Vertex AI are written to the application's own storage, and are not seen.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import Batches, Call, Usage, guarded
from agentmeter_google_genai.content import facts

BATCHES = Batches()
_FILES: OrderedDict[str, tuple[str, str | None]] = OrderedDict()
"""Files of results, and their batch and its model."""
_MOST = 4096
_CREATING = ("batchGenerateContent", "asyncBatchEmbedContent")
_INLINE = ("inlinedResponses", "inlinedEmbedContentResponses")


def seen(http_request: Any, response: Any, place: Mapping[str, Any]) -> None:
    """Take note of what an answer that bills nothing itself tells of a batch."""
    path = http_request.url.partition("?")[0]
    with guarded("google-genai batch"):
        if path.rpartition(":")[2] in _CREATING:
            name = _document(response).get("name")
            if name:
                BATCHES.created(name)
        elif http_request.method.lower() == "get" and path.split("/")[-2:-1] == ["batches"]:
            _looked_at(_document(response), place)


def read(path: str, content: Any, place: Mapping[str, Any]) -> None:
    """A file has been downloaded: whether it is one of results is told by its lines."""
    file_id = path.rpartition("files/")[2].partition(":")[0]
    batch, model = _FILES.get(file_id, (f"of {file_id}", None))
    if not isinstance(content, bytes):
        return

    def take(line: Any) -> None:
        if isinstance(line, dict) and isinstance(line.get("response"), dict):
            key = str(line.get("key") or line.get("metadata", {}).get("key"))
            _result(batch, key, line["response"], {**place, "model": model})

    taker = BATCHES.reader(take, b'"response"')
    for line in content.splitlines():
        if line.startswith(b"{"):
            taker(line)


def _document(response: Any) -> dict[str, Any]:
    stream = response.response_stream
    body = stream[0] if isinstance(stream, list) and stream else ""
    return json.loads(body) if body else {}


def _looked_at(document: Mapping[str, Any], place: Mapping[str, Any]) -> None:
    batch, about = str(document.get("name")), document.get("metadata") or {}
    model = str(about.get("model") or "").rpartition("/")[2] or None
    output = about.get("output") or document.get("response") or {}
    if output.get("responsesFile"):
        _FILES[output["responsesFile"].rpartition("/")[2]] = batch, model
        while len(_FILES) > _MOST:
            _FILES.popitem(last=False)
    for name in _INLINE:
        results = (output.get(name) or {}).get("inlinedResponses") or ()
        for at, one in enumerate(results):
            if isinstance(one.get("response"), dict):
                _result(batch, str(at), one["response"], {**place, "model": model})


def _result(batch: str, key: str, answer: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    said = _embedded(answer) if "embedding" in answer else facts(answer, about["provider"])
    operation = "embeddings" if "embedding" in answer else "generate_content"
    call = replace(
        said,
        provider=about["provider"],
        region=about["region"],
        model=said.response_model or about["model"],
        operation=operation,
    )
    BATCHES.result(batch, said.response_id or f"{batch}/{key}", call)


def _embedded(answer: Mapping[str, Any]) -> Call:
    counted = answer.get("tokenCount")
    return Call(usage=Usage(input=int(counted))) if counted else facts(answer)
