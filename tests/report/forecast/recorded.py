"""Recorded traffic: agents on the real openai client, metered, against the scripted server."""

import math
from random import Random

import openai

import agentmeter as am
from agentmeter.report.forecast import Observation, observed
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply


@am.agent("researcher")
def research(client: openai.OpenAI) -> None:
    """Goes on for as long as the model asks for a tool."""
    while True:
        answer = client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "go on"}]
        )
        if answer.choices[0].finish_reason != "tool_calls":
            return
        with am.tool("search"):
            am.charge("serpapi.search", usd="0.005")


@am.agent("assistant")
def chat(client: openai.OpenAI) -> None:
    """One answer."""
    client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "hello"}])


def replies(random: Random, feature: str) -> list[Reply]:
    """The answers to one request: a loop of geometric length, or one answer with a Pareto tail."""
    context = 50 + int(math.exp(random.gauss(6, 1)))
    if feature == "chat":
        output = 20 + int((40 + context / 10) * random.paretovariate(1.2))
        return [Reply(input=context, output=output)]
    made = []
    while random.random() < 0.55 and len(made) < 12:
        output = 5 + int(math.exp(random.gauss(4, 1)))
        made.append(Reply(input=context, output=output, tool_calls=(("search", "{}"),)))
        context += output + 300
    return [*made, Reply(input=context, output=30 + int(100 * random.paretovariate(1.3)))]


def recorded(meter: Kept, count: int, seed: int) -> list[Observation]:
    """``count`` requests of two features, as agentmeter saw them."""
    random = Random(seed)
    am.instrument("openai")
    try:
        with (
            ModelServer() as server,
            openai.OpenAI(base_url=server.base_url, api_key="x") as client,
        ):
            for _ in range(count):
                feature = random.choice(("chat", "research"))
                server.script(*replies(random, feature))
                with am.request(feature=feature):
                    chat(client) if feature == "chat" else research(client)
            billed = server.billed()
    finally:
        am.uninstrument()
    COUNTER.settle()
    found = [observed(one) for one in meter.report().requests]
    assert sum(one.tokens for one in found) == billed.input + billed.output
    return found
