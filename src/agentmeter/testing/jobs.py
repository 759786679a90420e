"""Work that is asked for in one request and fetched in another: batches, files, background runs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentmeter.testing.script import Billed, Reply
from agentmeter.testing.wire import wire_for
from agentmeter.testing.wire_anthropic import batch_body, batch_results
from agentmeter.testing.wire_gemini import content_body, interaction_body
from agentmeter.testing.wire_responses import (
    responses_body,
    responses_stream,
    unfinished_response,
)

if TYPE_CHECKING:
    from agentmeter.testing.server import ModelServer

Body = Mapping[str, Any]
_AT = 1_790_000_000


@dataclass(slots=True)
class _Background:
    """A response that is worked on while nobody waits for it."""

    reply: Reply
    asked: Body
    number: str
    looks: int


@dataclass(slots=True)
class Jobs:
    """What a server keeps from one request to the next, by the end of its address."""

    server: "ModelServer"
    held: dict[str, bytes] = field(default_factory=dict)
    """What a GET gives."""
    _background: dict[str, _Background] = field(default_factory=dict)
    _files: int = 0

    def post(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """What asks for such work, or changes it; ``None`` for any other request."""
        plain = path.partition("?")[0]
        if body.get("background") and plain.endswith("/interactions"):
            return self._interact(plain, body, headers)
        if plain.endswith("/responses") and body.get("background") and not body.get("stream"):
            return self._begin(plain, body, headers)
        if plain.endswith("/cancel") and "/responses/" in plain:
            return self._cancelled(plain.split("/")[-2])
        for end, take in _POSTS.items():
            if plain.endswith(end):
                return take(self, plain, body, headers)
        return None

    def get(self, path: str) -> bytes | None:
        """What a GET is answered with; ``None`` where nothing is there."""
        plain, _, query = path.partition("?")
        name = plain.rpartition("/")[2]
        if name in self._background:
            return self._look(self._background[name], stream="stream=true" in query)
        return next((held for end, held in self.held.items() if plain.endswith(end)), None)

    def answers(
        self, path: str, asked: Iterator[tuple[Any, Body]], headers: Mapping[str, str]
    ) -> Iterator[tuple[Reply, Any, str]]:
        """Answer every request of a batch at once; what fails is not billed."""
        for request, body in asked:
            reply, number = self.server.take(path, body, headers)
            wire = wire_for(path, self.server.wires)
            bill = wire.bill(reply, body) if wire is not None else Billed()
            self.server.bill(Billed(failed=1) if reply.status >= 400 else bill)
            self.server.answered()
            yield reply, request, number

    # -- background ----------------------------------------------------------------------------

    def _begin(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
        ((reply, _, number),) = self.answers(path, iter([(body, body)]), headers)
        self._background[f"resp_{number}"] = _Background(reply, body, number, reply.looks)
        return unfinished_response(reply, body, number, "queued")

    def _interact(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
        """An interaction in the background; whoever looks finds it done."""
        ((reply, _, number),) = self.answers(path, iter([(body, body)]), headers)
        made = interaction_body(reply, body, number)
        self.held[f"/interactions/{made['id']}"] = json.dumps(made).encode()
        return {**made, "status": "in_progress", "steps": [], "usage": None}

    def _look(self, one: _Background, *, stream: bool) -> bytes:
        if stream:
            events = responses_stream(one.reply, one.asked, one.number)
            return b"".join(event for _, event in events)
        one.looks -= 1
        if one.looks >= 0:
            made = unfinished_response(one.reply, one.asked, one.number, "in_progress")
        else:
            made = responses_body(one.reply, one.asked, one.number)
        return json.dumps(made).encode()

    def _cancelled(self, name: str) -> dict[str, Any] | None:
        one = self._background.get(name)
        if one is None:
            return None
        made = responses_body(one.reply, one.asked, one.number)
        return {**made, "status": "cancelled", "output": []}

    # -- batches -------------------------------------------------------------------------------

    def _messages(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
        asked = ((one, one["params"]) for one in body["requests"])
        answers = list(self.answers(path.removesuffix("/batches"), asked, headers))
        made = batch_body(answers[0][2] if answers else "0", len(answers), self.server.base_url)
        self.held[f"/{made['id']}/results"] = batch_results(answers)
        self.held[f"/{made['id']}"] = json.dumps(made).encode()
        return made

    def file(self, content: bytes, purpose: str) -> dict[str, Any]:
        """A file, as OpenAI keeps it."""
        self._files += 1
        made = {
            "id": f"file-{self._files:08d}",
            "object": "file",
            "bytes": len(content),
            "created_at": _AT,
            "filename": f"{purpose}.jsonl",
            "purpose": purpose,
            "status": "processed",
        }
        self.held[f"/files/{made['id']}/content"] = content
        self.held[f"/files/{made['id']}"] = json.dumps(made).encode()
        return made

    def _upload(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
        return self.file(body["file"], body["purpose"])

    def _batch(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
        given = self.held[f"/files/{body['input_file_id']}/content"]
        requests = [json.loads(line) for line in given.splitlines() if line.strip()]
        asked = ((one, one["body"]) for one in requests)
        answers = list(self.answers(body["endpoint"], asked, headers))
        good = [one for one in answers if one[0].status < 400]
        output = self.file(self._lines(body["endpoint"], good), "batch_output")
        made = {
            "id": f"batch_{answers[0][2]}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"],
            "status": "completed",
            "output_file_id": output["id"],
            "created_at": _AT,
            "metadata": body.get("metadata"),
            "request_counts": {
                "total": len(answers),
                "completed": len(good),
                "failed": len(answers) - len(good),
            },
        }
        self.held[f"/batches/{made['id']}"] = json.dumps(made).encode()
        return {**made, "status": "validating", "output_file_id": None}

    def _contents(self, path: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
        """Gemini's: results in the batch where the requests were, else in a file."""
        source = body["batch"]["inputConfig"]
        inline = (source.get("requests") or {}).get("requests")
        given = inline or map(json.loads, self.held[f"/{source['fileName']}"].splitlines())
        model = path.rpartition("/")[2].partition(":")[0]
        asked = ((one, {"model": model, **one["request"]}) for one in given)
        answers = list(self.answers(f"/models/{model}:generateContent", asked, headers))
        results = [
            {"key": one.get("key"), "response": content_body(reply, {"model": model}, number)}
            if reply.status < 400
            else {"key": one.get("key"), "error": {"code": 13, "message": "scripted"}}
            for reply, one, number in answers
        ]
        name = f"batches/{answers[0][2]}"
        about = {"model": f"models/{model}", "state": "BATCH_STATE_PENDING"}
        begun = {"name": name, "metadata": about}
        output: dict[str, Any] = {"inlinedResponses": {"inlinedResponses": results}}
        if inline is None:
            file = f"files/out-{answers[0][2]}"
            output = {"responsesFile": file}
            self.held[f"/{file}:download"] = "\n".join(map(json.dumps, results)).encode()
        done = {**about, "state": "BATCH_STATE_SUCCEEDED", "output": output}
        self.held[f"/{name}"] = json.dumps({"name": name, "metadata": done}).encode()
        return begun

    def _lines(self, endpoint: str, answers: list[tuple[Reply, Any, str]]) -> bytes:
        wire = wire_for(endpoint, self.server.wires)
        assert wire is not None
        lines = []
        for reply, request, number in answers:
            body = wire.body(reply, request["body"], number)
            response = {"status_code": 200, "request_id": f"req_{number}", "body": body}
            line = {"id": f"batch_req_{number}", "custom_id": request["custom_id"]}
            lines.append(json.dumps({**line, "response": response, "error": None}))
        return "\n".join(lines).encode() + b"\n"


_Post = Callable[[Jobs, str, Body, Mapping[str, str]], dict[str, Any]]
_POSTS: dict[str, _Post] = {
    "/messages/batches": Jobs._messages,
    "/files": Jobs._upload,
    "/batches": Jobs._batch,
    ":batchGenerateContent": Jobs._contents,
}
