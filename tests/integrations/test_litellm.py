"""The real litellm against the scripted server: metered equals billed. It has an environment of its
own, which ``make test-integrations`` makes.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network
litellm = pytest.importorskip("litellm")

import agentmeter as am  # noqa: E402  # after what may not be there
from agentmeter.model import Call  # noqa: E402
from agentmeter.testing import Kept, ModelServer, Reply  # noqa: E402
from agentmeter.testing.conformance import Case, Subject, cases  # noqa: E402
from agentmeter.testing.conformance.subject import amounts_to_the_bill, calls_of  # noqa: E402
from agentmeter_litellm import LiteLLMIntegration  # noqa: E402

SAID: dict[str, Any] = {"messages": [{"role": "user", "content": "hello world"}]}
FULL = Reply(text="a b c d e f", input=1200, cached=1000, output=60, reasoning=16)


def asked(server: ModelServer, model: str = "openai/gpt-4o-mini", **more: Any) -> dict[str, Any]:
    base = server.url if model.startswith("anthropic") else server.base_url
    return {"model": model, "api_base": base, "api_key": "test", **SAID, **more}


def ask(server: ModelServer) -> Any:
    return _unnamed(litellm.completion(**asked(server)))


async def ask_async(server: ModelServer) -> Any:
    return await litellm.acompletion(**asked(server))


@contextmanager
def stream(server: ModelServer) -> Iterator[Any]:
    with closing(_each(litellm.completion(**asked(server, stream=True)))) as items:
        yield items


def _each(items: Any) -> Iterator[Any]:
    for item in items:
        yield _unnamed(item)


def _unnamed(answer: Any) -> Any:
    """Without the id and the time that litellm makes up."""
    answer.id, answer.created = "", 0
    return answer


@asynccontextmanager
async def stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with aclosing(await litellm.acompletion(**asked(server, stream=True))) as items:
        yield items


@contextmanager
def claude_stream(server: ModelServer) -> Iterator[Any]:
    made = litellm.completion(**asked(server, "anthropic/claude-haiku-4-5", stream=True))
    with closing(_each(made)) as items:
        yield items


def claude(server: ModelServer) -> Any:
    return _unnamed(litellm.completion(**asked(server, "anthropic/claude-haiku-4-5")))


SUBJECTS = {
    "openai": Subject(
        integration=LiteLLMIntegration(),
        ask=ask,
        stream=stream,
        ask_async=ask_async,
        stream_async=stream_async,
        retries=False,  # those of openai's client underneath, which tells nobody
    ),
    "anthropic": Subject(
        integration=LiteLLMIntegration(),
        ask=claude,
        stream=claude_stream,
        retries=False,
        reply=Reply(
            text="alpha beta gamma delta",
            input=1200,
            cached=700,
            written_5m=200,
            written_1h=50,
            output=60,
        ),
    ),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{name}: {case}")
        for name, subject in SUBJECTS.items()
        for case in cases(subject)
    ],
)
def test_it_conforms(case: Case) -> None:
    """What was metered is what was billed, and the application notices nothing."""
    case.run()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=FULL) as server:
        yield server


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    am.instrument("litellm")
    yield
    am.uninstrument()


def only(meter: Kept) -> Call:
    (record,) = calls_of(meter)
    assert record.call is not None
    return record.call


def used(meter: Kept) -> dict[str, int]:
    report = meter.report()
    return dict(report.requests[0].usage)


USED = {"cache_read": 1000, "input": 200, "output": 44, "reasoning": 16}
WAYS = {
    "plain": lambda server: litellm.completion(**asked(server)),
    "stream": lambda server: list(litellm.completion(**asked(server, stream=True))),
    "asked": lambda server: list(
        litellm.completion(**asked(server, stream=True, stream_options={"include_usage": True}))
    ),
    "async": lambda server: asyncio.run(ask_async(server)),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_client_underneath_is_the_leaf(way: str, server: ModelServer, meter: Kept) -> None:
    """Metered by both, a call counts once."""
    am.instrument("openai")
    with am.request():
        WAYS[way](server)
    assert used(meter) == USED
    assert [record.call.provider for record in calls_of(meter) if record.call] == ["openai"] * 2


def test_a_stream_that_is_left_counts_once(server: ModelServer, meter: Kept) -> None:
    """What the leaf estimates is not estimated again around it."""
    am.instrument("openai")
    with am.request():
        items = litellm.completion(**asked(server, stream=True))
        next(items)
        del items
    inner = next(r.call for r in calls_of(meter) if r.call and r.call.usage)
    assert used(meter) == dict(inner.usage)


def test_it_says_who_answered(server: ModelServer, meter: Kept) -> None:
    """Provider and model as they are priced."""
    litellm.completion(**asked(server, "anthropic/claude-haiku-4-5"))
    call = only(meter)
    assert (call.provider, call.model, call.operation) == ("anthropic", "claude-haiku-4-5", "chat")
    assert call.finish_reasons == ("stop",)


def test_a_router_falls_back(server: ModelServer, meter: Kept) -> None:
    """A refused deployment is a call that used nothing; the other's price is its own."""
    router = litellm.Router(
        model_list=[
            {"model_name": "first", "litellm_params": asked(server, max_retries=0)},
            {"model_name": "second", "litellm_params": asked(server, "anthropic/claude-haiku-4-5")},
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
    )
    server.script(Reply(status=500))
    with am.request():
        router.completion(model="first", **SAID)
    calls = [record.call for record in calls_of(meter) if record.call]
    assert [(call.provider, dict(call.usage)) for call in calls] == [
        ("openai", {}),
        ("anthropic", USED),
    ]


@pytest.mark.parametrize("is_async", [False, True])
def test_fallbacks_are_tries_of_one_call(is_async: bool, server: ModelServer, meter: Kept) -> None:
    """It is priced at the provider that answered in the end."""
    other = asked(server, "anthropic/claude-haiku-4-5")
    arguments = asked(server, max_retries=0, fallbacks=[other])
    server.script(Reply(status=400))
    with am.request():
        if is_async:
            asyncio.run(litellm.acompletion(**arguments))
        else:
            litellm.completion(**arguments)
    call = only(meter)
    assert (call.provider, call.priced_model) == ("anthropic", "claude-haiku-4-5")
    assert [one.http_status for one in call.attempts] == [400, 200]


def test_tries_are_attempts(server: ModelServer, meter: Kept) -> None:
    """litellm's own retries are tries of one call."""
    server.script(Reply(status=500))
    with am.request():
        litellm.completion(**asked(server, num_retries=2))
    amounts_to_the_bill(server, meter)


def test_embeddings(server: ModelServer, meter: Kept) -> None:
    """They have an input only."""
    server.script(Reply(input=7, output=0))
    litellm.embedding(
        model="openai/text-embedding-3-small",
        input=["one", "two"],
        api_base=server.base_url,
        api_key="test",
    )
    assert (only(meter).operation, dict(only(meter).usage)) == ("embeddings", {"input": 7})


LATER = """
import agentmeter as am
assert am.instrument("litellm")["litellm"]
import sys
assert "litellm" not in sys.modules
from litellm import completion
assert completion.__module__ and completion.__code__.co_filename.endswith("patch.py")
"""


def test_it_is_imported_by_the_application_only() -> None:
    """It is metered when it comes, also what is imported from it by name."""
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


HEARD = Reply(text="one two", input=100, input_audio=90, output=20)
DRAWN = Reply(input=50, output=200, output_image=200)
FACES: dict[str, tuple[str, dict[str, Any], Reply, str]] = {
    "responses": ("responses", {"model": "openai/gpt-5", "input": "hello"}, FULL, "reported"),
    "responses, streamed": (
        "responses",
        {"model": "openai/gpt-5", "input": "hello", "stream": True},
        FULL,
        "reported",
    ),
    "responses of a model without": (
        "responses",
        {"model": "anthropic/claude-haiku-4-5", "input": "hello"},
        Reply(input=120, output=30),
        "reported",
    ),
    "responses of a model without, streamed": (
        "responses",
        {"model": "anthropic/claude-haiku-4-5", "input": "hello", "stream": True},
        Reply(input=120, output=30),
        "reported",
    ),
    "image": (
        "image_generation",
        {"model": "openai/gpt-image-1", "prompt": "cat"},
        DRAWN,
        "reported",
    ),
    "image by the piece": (
        "image_generation",
        {"model": "openai/dall-e-3", "prompt": "a cat"},
        Reply(input=0, output=0, images=2),
        "reported",
    ),
    "transcription": (
        "transcription",
        {"model": "openai/gpt-4o-transcribe", "file": ("a.mp3", b"RIFF")},
        HEARD,
        "reported",
    ),
    "transcription by the second": (
        "transcription",
        {"model": "openai/whisper-1", "file": ("a.mp3", b"RIFF")},
        Reply(audio_seconds="12.4"),
        "reported",
    ),
    "speech": (
        "speech",
        {"model": "openai/tts-1", "voice": "alloy", "input": "hello to you"},
        Reply(),
        "estimated",
    ),
}


async def _drained(function: Any, given: dict[str, Any]) -> None:
    answer = await function(**given)
    if given.get("stream"):
        async for _ in answer:
            pass


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", FACES)
def test_other_functions_are_metered_as_they_are_billed(
    name: str, is_async: bool, meter: Kept
) -> None:
    """Responses of whichever provider, pictures, transcripts and speech, meter by meter."""
    function, given, reply, evidence = FACES[name]
    with ModelServer(default=reply) as server:
        am.instrument("litellm")
        base = server.url if "claude" in given["model"] else server.base_url
        asked = {**given, "api_base": base, "api_key": "test"}
        with am.request():
            if is_async:
                asyncio.run(_drained(getattr(litellm, f"a{function}"), asked))
            else:
                answer = getattr(litellm, function)(**asked)
                list(answer if given.get("stream") else ())
        am.uninstrument()
        (record,) = calls_of(meter)
        assert record.call is not None
        assert dict(record.call.usage) == dict(server.billed().usage)
        assert {str(known) for known in record.call.evidence.values()} == {evidence}
        provider, model = given["model"].split("/")
        assert (record.call.provider, record.call.model) == (provider, model)
