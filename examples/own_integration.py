"""An integration of one's own: a client that agentmeter does not know, metered and put to the test.

Part 1 is somebody's client library, not ours to change. Part 2 meters it: that is all of an
integration. Part 3 runs the conformance suite against it, on a server that speaks its protocol.

In a package of your own, part 2 is found by ``am.instrument()``, ``agentmeter run`` and
``opentelemetry-instrument`` through an entry point in its ``pyproject.toml``:

    [project.entry-points."agentmeter.integrations"]
    acme = "agentmeter_acme:AcmeIntegration"
"""

import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import agentmeter as am
from agentmeter.integration import (
    UNKNOWN,
    Accumulator,
    Call,
    Endpoint,
    Exchange,
    Patches,
    Usage,
    begin,
    current_exchange,
    tokenizer,
    watched,
)
from agentmeter.testing import ModelServer, Reply, Wire
from agentmeter.testing.conformance import Subject, cases

# -- 1. acme's client ------------------------------------------------------------------------------


class AcmeError(Exception):
    """The API refused."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"acme answered {status_code}")
        self.status_code = status_code


class Client:
    """Generates text, whole or line by line, and tries once more where the server is at fault."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def generate(self, prompt: str, engine: str = "acme-1") -> dict[str, Any]:
        """The whole text, and what it took."""
        with self._send({"engine": engine, "prompt": prompt}) as response:
            return json.load(response)

    def stream(self, prompt: str, engine: str = "acme-1") -> Iterator[dict[str, Any]]:
        """Pieces of the text; the last item says what it took."""
        return self._lines(self._send({"engine": engine, "prompt": prompt, "stream": True}))

    def _lines(self, response: Any) -> Iterator[dict[str, Any]]:
        with response:
            yield from map(json.loads, response)

    def _send(self, body: dict[str, Any]) -> Any:
        try:
            return self._post(body)
        except AcmeError as error:
            if error.status_code < 500:
                raise
        return self._post(body)

    def _post(self, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        try:
            return urllib.request.urlopen(f"{self.base_url}/generate", data)
        except urllib.error.HTTPError as error:
            error.close()
            raise AcmeError(error.code) from None


# -- 2. the integration ----------------------------------------------------------------------------


def facts(answer: Mapping[str, Any], provider: str | None = None) -> Call:
    """What an answer says: who answered, and how much of each meter it took.

    Meters are disjoint: what acme read from its cache is no ``input`` any more.
    """
    tokens = answer.get("tokens")
    if tokens is None:
        return Call(evidence={"input": UNKNOWN, "output": UNKNOWN})
    prompt, reused, completion = tokens["prompt"], tokens["reused"], tokens["completion"]
    return Call(
        usage=Usage(input=prompt - reused, cache_read=reused, output=completion),
        response_id=answer["id"],
        response_model=answer["engine"],
    )


class AcmeStream(Accumulator):
    """Follows a stream: its text, should it be cut, and the last item, which tells the usage."""

    def __init__(self) -> None:
        super().__init__()
        self._last: Mapping[str, Any] = {}

    def see(self, item: Mapping[str, Any]) -> bool:
        """Take an item; none is to be hidden from the caller."""
        self.texts.append(item.get("text", ""))
        if item.get("done"):
            self._last, self.finished = item, True
        return False

    def facts(self) -> Call:
        """What has been said so far."""
        return facts(self._last)


GENERATE = Endpoint(
    operation="text_completion",
    facts=facts,
    accumulator=lambda exchange: AcmeStream(),
    count_input=lambda body, model: tokenizer.count(body["prompt"], model).tokens,
)
PATCHES = Patches()


def _begin(prompt: str, engine: str, *, stream: bool) -> Exchange | None:
    if not PATCHES.on:
        return None
    return begin(GENERATE, {"prompt": prompt}, provider="acme", model=engine, stream=stream)


def _generate(original: Any) -> Any:
    def generate(client: Client, prompt: str, engine: str = "acme-1") -> Any:
        exchange = _begin(prompt, engine, stream=False)
        if exchange is None:
            return original(client, prompt, engine)
        with exchange.sending():
            answer = original(client, prompt, engine)
        exchange.answered(answer)
        return answer

    return generate


def _stream(original: Any) -> Any:
    def stream(client: Client, prompt: str, engine: str = "acme-1") -> Any:
        exchange = _begin(prompt, engine, stream=True)
        if exchange is None:
            return original(client, prompt, engine)
        with exchange.sending():
            items = original(client, prompt, engine)
        return watched(exchange, items)

    return stream


def _post(original: Any) -> Any:
    """Every try of a call is an attempt, so that a refused one is seen."""

    def post(client: Client, body: dict[str, Any]) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return original(client, body)
        exchange.attempts.begin()
        try:
            response = original(client, body)
        except AcmeError as error:
            exchange.attempts.end(error.status_code)
            raise
        exchange.attempts.end(response.status)
        return response

    return post


class AcmeIntegration:
    """Meters every client of acme's."""

    name = "acme"
    library = "acme"  # the import name; without it installed, the integration stays off

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent."""
        if not PATCHES.on:
            PATCHES.replace(Client, "generate", _generate)
            PATCHES.replace(Client, "stream", _stream)
            PATCHES.replace(Client, "_post", _post)

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        PATCHES.undo()


# -- 3. the test -----------------------------------------------------------------------------------


def _body(reply: Reply, body: Mapping[str, Any], number: str) -> dict[str, Any]:
    tokens = {"prompt": reply.input, "reused": reply.cached, "completion": reply.output}
    return {"id": f"acme-{number}", "engine": body["engine"], "text": reply.text, "tokens": tokens}


def _items(reply: Reply, body: Mapping[str, Any], number: str) -> Iterator[tuple[bool, bytes]]:
    for word in reply.text.split():
        yield True, json.dumps({"text": f"{word} "}).encode() + b"\n"
    last = {**_body(reply, body, number), "text": "", "done": True}
    yield False, json.dumps(last).encode() + b"\n"


SUBJECT = Subject(
    integration=AcmeIntegration(),
    ask=lambda server: Client(server.base_url).generate("hello world"),
    stream=lambda server: closing(Client(server.base_url).stream("hello world")),
    patched=(Client,),
    reply=Reply(text="alpha beta gamma delta", input=1200, cached=1000, output=4),
    wires={"/generate": Wire(_body, _items)},
)
"""With pytest: ``@pytest.mark.parametrize("case", cases(SUBJECT), ids=str)`` and ``case.run()``."""


RATES = """
[[rate]]
provider = "acme"
model = "acme-*"
input = "2"
cache_read = "0.2"
output = "8"
"""
"""What acme charges for a million: without it the report says what it could not price."""


def main() -> None:
    """Run the suite, and then a request to look at."""
    for case in cases(SUBJECT):
        case.run()
        print(f"holds: {case}")

    AcmeIntegration().instrument()
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / "acme.toml"
        card.write_text(RATES)
        am.configure(rate_card=card, journal=False)
    with ModelServer(default=SUBJECT.reply, wires=SUBJECT.wires) as server:
        client = Client(server.base_url)
        with am.request(user="u-17") as request:
            client.generate("hello world")
            for _ in client.stream("hello world"):
                break
    print(request.report())


if __name__ == "__main__":
    main()
