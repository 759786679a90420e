"""The real aiobotocore against the scripted server: metered equals billed. It has an environment of
its own, which ``make test-integrations`` makes, since it pins botocore.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("aiobotocore")

from aiobotocore.config import AioConfig  # after what may not be there
from aiobotocore.session import get_session

from agentmeter.testing import ModelServer, Reply
from agentmeter.testing.conformance import Case, Subject, cases
from agentmeter_bedrock import BedrockIntegration

INTEGRATION = "bedrock"
"""Whose tests these are."""
CLAUDE = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
CONVERSE: dict[str, Any] = {
    "modelId": CLAUDE,
    "messages": [{"role": "user", "content": [{"text": "hello world"}]}],
}
INVOKE = {"modelId": CLAUDE, "body": json.dumps({"messages": [], "max_tokens": 9})}
REPLY = Reply(
    text="alpha beta gamma delta", input=1200, cached=700, written_5m=200, written_1h=50, output=60
)


def _client(server: ModelServer) -> Any:
    return get_session().create_client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=AioConfig(retries={"total_max_attempts": 2, "mode": "standard"}),
    )


async def converse(server: ModelServer) -> Any:
    async with _client(server) as client:
        answer = await client.converse(**CONVERSE)
    answer["ResponseMetadata"]["HTTPHeaders"].pop("date")
    return answer


async def invoke(server: ModelServer) -> Any:
    async with _client(server) as client:
        answer = await client.invoke_model(**INVOKE)
        return await answer["body"].read()


@asynccontextmanager
async def converse_stream(server: ModelServer) -> AsyncIterator[Any]:
    async with _client(server) as client:
        stream = (await client.converse_stream(**CONVERSE))["stream"]
        yield stream
        stream.close()


@asynccontextmanager
async def invoke_stream(server: ModelServer) -> AsyncIterator[Any]:
    async with _client(server) as client:
        stream = (await client.invoke_model_with_response_stream(**INVOKE))["body"]
        yield stream
        stream.close()


SUBJECTS = {
    "converse": Subject(
        integration=BedrockIntegration(),
        ask=lambda server: asyncio.run(converse(server)),
        ask_async=converse,
        stream_async=converse_stream,
        reply=REPLY,
    ),
    "invoke": Subject(
        integration=BedrockIntegration(),
        ask=lambda server: asyncio.run(invoke(server)),
        ask_async=invoke,
        stream_async=invoke_stream,
        reply=REPLY,
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
