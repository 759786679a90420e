"""autogen's core alone: agents that send each other messages, and models that they ask."""

import asyncio
from dataclasses import dataclass

import pytest
from tests.integrations.loops import INNER, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer

pytest.importorskip("autogen_core")

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
)
from autogen_core.models import UserMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient


@dataclass
class Said:
    text: str


async def core_alone(server: ModelServer, runtime: SingleThreadedAgentRuntime) -> None:
    """Two agents of the core: the first asks the second."""
    model = OpenAIChatCompletionClient(model="gpt-4o", base_url=server.base_url, api_key="test")

    async def ask_model(text: str) -> str:
        return str((await model.create([UserMessage(content=text, source="user")])).content)

    class Second(RoutedAgent):
        @message_handler
        async def answer(self, message: Said, ctx: MessageContext) -> Said:
            return Said(await ask_model(message.text))

    class First(RoutedAgent):
        @message_handler
        async def answer(self, message: Said, ctx: MessageContext) -> Said:
            said: Said = await self.send_message(
                Said(await ask_model(message.text)), AgentId("second", "default")
            )
            return said

    await First.register(runtime, "first", lambda: First("asks"))
    await Second.register(runtime, "second", lambda: Second("answers"))


@pytest.mark.parametrize("on", [("autogen-core",), ("autogen-core", "openai"), ("autogen",)])
def test_agents_of_the_core_alone_are_metered(meter: Kept, on: tuple[str, ...]) -> None:
    """Each message is handled for the request that it was sent in, also where the runtime was
    started before and serves several.
    """

    async def ask(server: ModelServer) -> None:
        runtime = SingleThreadedAgentRuntime()
        await core_alone(server, runtime)
        runtime.start()

        async def one(user: str) -> None:
            async with am.request("ask", user=user):
                await runtime.send_message(Said("hi"), AgentId("first", "default"))

        await asyncio.gather(one("a"), one("b"))
        await runtime.stop_when_idle()

    am.instrument(*on)
    with ModelServer(default=INNER) as server:
        asyncio.run(ask(server))
    am.uninstrument()
    report = meter.report()
    assert report.unattributed is None
    assert [one.usage.total_tokens for one in report.requests] == [24, 24]
    second = ["agent second", "call gpt-4o"]
    for one in report.requests:
        assert outline(one.tree) == ["request ask", ["agent first", "call gpt-4o", second]]
