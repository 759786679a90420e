"""langchain and langgraph: an agent with two tools at once, metered with its client and without."""

import asyncio
import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("langchain_openai")

from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.callbacks.manager import AsyncCallbackManager, CallbackManager
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import config as core_config
from langchain_core.tools import tool
from langchain_core.tracers import context as tracers
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.graph import END, START, StateGraph

SAID = {"messages": [("user", "Weather in Oslo and Rome?")]}
LOOKED_UP = [["step tools", "tool get_weather"], ["step tools", "tool get_weather"]]
TREE = [
    "request ask",
    [
        "agent planner",
        ["step model", "call gpt-5"],
        *LOOKED_UP,
        ["step model", "call gpt-5"],
    ],
]


@pytest.fixture(params=[("langchain",), ("langchain", "openai")], ids=["alone", "and openai"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


@pytest.fixture
def langchain() -> Iterator[None]:
    am.instrument("langchain", "openai")
    yield
    am.uninstrument()


def model(server: ModelServer, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-5", base_url=server.base_url, api_key="test", **more)


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


def invoke(agent: Any) -> None:
    agent.invoke(SAID)


def stream(agent: Any) -> None:
    for _ in agent.stream(SAID, stream_mode="messages"):
        pass


def ainvoke(agent: Any) -> None:
    asyncio.run(agent.ainvoke(SAID))


def astream(agent: Any) -> None:
    async def read() -> None:
        async for _ in agent.astream(SAID, stream_mode="messages"):
            pass

    asyncio.run(read())


WAYS = {"invoke": invoke, "ainvoke": ainvoke, "stream": stream, "astream": astream}


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_is_metered_with_its_client_and_without(
    way: str, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the graph's own names, whoever saw it."""
    with ModelServer(*LOOP) as server:
        agent = create_agent(model(server, stream_usage=True), [get_weather], name="planner")
        with am.request("ask", user="u") as request:
            WAYS[way](agent)
        report = request.report()
        amounts_to(report, server)
    assert without_edges(outline(report.requests[0].tree)) == TREE
    seen_by = {(call.record.observer or "agentmeter") for call in report_calls(report)}
    assert seen_by == {"agentmeter" if "openai" in both else "agentmeter.langchain"}


def without_edges(tree: Any) -> Any:
    """In its first versions langgraph told of the edges that it chose between as well."""
    if isinstance(tree, str):
        return tree
    return [without_edges(one) for one in tree if "_to_" not in str(one) or isinstance(one, list)]


def report_calls(report: Any) -> list[Any]:
    return list(calls(report.requests[0].tree))


def test_iterations_and_steps_are_told_apart(meter: Kept, langchain: None) -> None:
    """The second turn of the agent's loop begins with its second call; nodes say their step."""
    with ModelServer(*LOOP) as server, am.request("ask") as request:
        create_agent(model(server), [get_weather], name="planner").invoke(SAID)
    (agent,) = request.report().requests[0].tree.children
    steps = [node.record.attributes["langgraph.step"] for node in agent.children]
    turns = [call.node.iteration for call in report_calls(request.report())]
    assert (steps, turns) == (["1", "2", "2", "3"], [1, 2])


def test_a_stream_that_reports_nothing_is_counted_by_the_client(
    meter: Kept, langchain: None
) -> None:
    """At another base URL langchain asks for no usage in a stream; the client's integration does."""
    with ModelServer(*LOOP) as server:
        with am.request("ask") as request:
            stream(create_agent(model(server), [get_weather], name="planner"))
        amounts_to(request.report(), server)


def test_a_stream_that_nobody_counts_is_unknown_and_not_zero(meter: Kept) -> None:
    """Without the client's integration nobody knows what such a stream used, and that is said."""
    am.instrument("langchain")
    try:
        with ModelServer(*LOOP) as server, am.request("ask") as request:
            stream(create_agent(model(server), [get_weather], name="planner"))
    finally:
        am.uninstrument()
    (one,) = request.report().requests
    assert (dict(one.usage), set(one.evidence)) == ({}, {"unknown"})


class State(TypedDict):
    said: Annotated[list[str], operator.add]


def graph(server: ModelServer) -> Any:
    """Three nodes side by side, each with a model of its own."""
    built = StateGraph(State)
    for name in "abc":
        asked = model(server, max_tokens=ord(name))

        def node(state: State, asked: ChatOpenAI = asked) -> State:
            return {"said": [str(asked.invoke("hi").content)]}

        built.add_node(name, node)
        built.add_edge(START, name)
        built.add_edge(name, END)
    return built.compile(name="three")


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_parallel_branches_stay_on_their_request(
    way: str, meter: Kept, both: tuple[str, ...]
) -> None:
    """Each branch's call lies below its node, also where sync nodes run in threads."""
    with ModelServer(default=INNER) as server:
        with am.request("ask") as request:
            if way == "invoke":
                graph(server).invoke({"said": []})
            else:
                asyncio.run(graph(server).ainvoke({"said": []}))
        report = request.report()
        amounts_to(report, server)
    (three,) = report.requests[0].tree.children
    below = sorted(outline(node) for node in three.children)
    assert three.record.kind == "agent"
    assert below == [[f"step {name}", "call gpt-5"] for name in "abc"]


def test_two_agents_side_by_side_pay_for_themselves(meter: Kept, both: tuple[str, ...]) -> None:
    """Two requests in one event loop, streamed and interleaved: each has its own calls."""

    async def one(server: ModelServer, user: str) -> None:
        async with am.request("ask", user=user):
            agent = create_agent(model(server, stream_usage=True), [get_weather], name=user)
            async for _ in agent.astream(SAID, stream_mode="messages"):
                await asyncio.sleep(0)

    async def run(server: ModelServer) -> None:
        await asyncio.gather(one(server, "a"), one(server, "b"))

    with ModelServer(default=INNER) as server:
        asyncio.run(run(server))
        assert server.billed().calls == 2
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 12, "b": 12}
    assert meter.report().unattributed is None


def test_a_tool_that_calls_a_model_is_charged_for_it(meter: Kept, both: tuple[str, ...]) -> None:
    """A call that a tool makes lies below the tool."""
    with ModelServer(*LOOP) as server:
        server.script(INNER, INNER, when=lambda body: body["model"] == "gpt-5-mini")

        @tool("get_weather")
        def asking(city: str) -> str:
            """Tell the weather of a city."""
            mini = ChatOpenAI(model="gpt-5-mini", base_url=server.base_url, api_key="test")
            return str(mini.invoke(city).content)

        with am.request("ask") as request:
            create_agent(model(server), [asking], name="planner").invoke(SAID)
        report = request.report()
        amounts_to(report, server)
    (agent,) = report.requests[0].tree.children
    tools = [without_edges(outline(node)) for node in agent.children if node.record.name == "tools"]
    assert tools == [["step tools", ["tool get_weather", "call gpt-5-mini"]]] * 2


def test_chains_retrievers_and_embeddings_have_their_places(meter: Kept, langchain: None) -> None:
    """A chain is a step, a retriever a step with what it embeds; prompts and parsers are none."""
    with ModelServer(default=Reply(input=7, output=0)) as server:
        embeddings = OpenAIEmbeddings(
            base_url=server.base_url, api_key="test", check_embedding_ctx_length=False
        )

        class Shelf(BaseRetriever):
            def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
                embeddings.embed_query(query)
                return [Document(page_content=query)]

        server.script(INNER, when=lambda body: "messages" in body)
        with am.request("ask") as request:
            chain = (
                {"q": Shelf()}
                | ChatPromptTemplate.from_template("{q}")
                | model(server)
                | StrOutputParser()
            )
            chain.invoke("hi")
        amounts_to(request.report(), server)
    assert outline(request.report().requests[0].tree) == [
        "request ask",
        [
            "step RunnableSequence",
            ["step RunnableParallel<q>", ["step Shelf", "call text-embedding-ada-002"]],
            "call gpt-5",
        ],
    ]


def test_retries_are_attempts_and_failures_stay_the_applications(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """The client's retries are attempts of one call; what is raised comes out as it was."""
    with ModelServer(Reply(status=500), INNER, Reply(status=400)) as server:
        with am.request("ask") as request:
            model(server).invoke("hi")
            with pytest.raises(Exception, match="scripted 400"):
                model(server).invoke("hi")
        report = request.report()
        assert report.requests[0].usage.total_tokens == 12
    good, bad = report_calls(report)
    if "openai" in both:
        assert [one.http_status for one in good.record.call.attempts] == [500, 200]
    assert [one.http_status for one in bad.record.call.attempts] == [400]
    assert (good.record.status, bad.record.status) == ("ok", "error")
    assert "unknown" not in report.requests[0].evidence


def test_the_flex_tiers_counts_are_read(meter: Kept, both: tuple[str, ...]) -> None:
    """On a tier of its own langchain writes ``flex_cache_read``; the meters are the same."""
    flex = Reply(input=1200, cached=1000, output=60, reasoning=16, service_tier="flex")
    with ModelServer(flex) as server:
        with am.request("ask") as request:
            model(server, service_tier="flex").invoke("hi")
        amounts_to(request.report(), server)
    (call,) = report_calls(request.report())
    assert call.record.call.service_tier == "flex"


def test_an_answer_from_langchains_cache_costs_nothing(meter: Kept, both: tuple[str, ...]) -> None:
    """The second answer comes from the cache: no call is made, and none is counted."""
    set_llm_cache(InMemoryCache())
    try:
        with ModelServer(INNER) as server:
            with am.request("ask") as request:
                assert model(server).invoke("hi").content == model(server).invoke("hi").content
            amounts_to(request.report(), server)
            assert server.billed().calls == 1
    finally:
        set_llm_cache(None)


def test_a_stream_that_is_left_is_closed_and_its_scopes_with_it(
    meter: Kept, langchain: None
) -> None:
    """A reader that stops after one message closes the agent's scopes, and the call is partial."""
    with ModelServer(Reply(text="a b c d e f", input=9, output=6)) as server:
        with am.request("ask") as request:
            agent = create_agent(model(server), [], name="planner")
            parts = agent.stream(SAID, stream_mode="messages")
            next(parts)
            parts.close()
        (one,) = request.report().requests
    agent_node = one.tree.children[0]
    assert agent_node.record.status == "closed"
    assert [node.record.status for node in agent_node.children] in (["closed"], ["ok"], ["error"])


def test_outside_of_any_request_the_work_is_unattributed(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """Nobody has opened a request: what is spent is counted as unattributed."""
    with ModelServer(*LOOP) as server:
        create_agent(model(server), [get_weather], name="planner").invoke(SAID)
        unattributed = meter.report().unattributed
        assert unattributed is not None
        assert unattributed.usage.total_input == server.billed().input


def test_other_handlers_hear_what_they_heard(meter: Kept, langchain: None) -> None:
    """A handler of the application's own gets every event, as without us."""
    heard: list[str] = []

    class Own(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append("start")

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            heard.append("end")

    with ModelServer(INNER, INNER) as server:
        model(server).invoke("hi", config={"callbacks": [Own()]})
        asyncio.run(model(server).ainvoke("hi", config={"callbacks": [Own()]}))
    assert heard == ["start", "end"] * 2


def test_uninstrumenting_puts_everything_back() -> None:
    """Functions and hooks are those of before; switching on twice is switching on once."""
    import langgraph._internal._runnable as runnable

    def state() -> list[Any]:
        return [
            core_config._set_config_context,
            runnable._set_config_context,
            *(getattr(manager, name) for manager in MANAGERS for name in STARTS),
            BaseRetriever.invoke,
            BaseRetriever.ainvoke,
            list(tracers._configure_hooks),
        ]

    before = state()
    am.instrument("langchain")
    am.instrument("langchain")
    assert all(now != then for now, then in zip(state(), before, strict=True))
    am.uninstrument("langchain")
    assert state() == before


MANAGERS = (CallbackManager, AsyncCallbackManager)
STARTS = ("on_chat_model_start", "on_llm_start")
