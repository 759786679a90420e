"""What openai's client has of its own: its endpoints, and who serves at a base URL."""

from collections.abc import Mapping
from typing import Any

from agentmeter.integration import (
    Body,
    Call,
    Endpoint,
    Exchange,
    StainlessLibrary,
    StainlessPatch,
    facts_of,
    served_by,
    tokenizer,
)
from agentmeter_openai.bounds import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from agentmeter_openai.later import AWAITED, passing
from agentmeter_openai.media import MEDIA
from agentmeter_openai.pictures import drawn_beside
from agentmeter_openai.sockets import Sockets
from agentmeter_openai.streams import (
    ChatStream,
    ResponsesStream,
    chat_texts,
    item,
    response_texts,
)
from agentmeter_openai.tools import CONTAINER, with_tools

_MODELS = (
    *("gpt-3", "gpt-4", "gpt-5", "gpt-6", "chatgpt-", "o1", "o3", "o4", "codex-", "ft:gpt-"),
    *("text-embedding-3", "text-embedding-ada", "computer-use-", "davinci", "babbage"),
    *("gpt-image", "gpt-audio", "gpt-realtime", "gpt-transcribe", "dall-e-", "whisper-1", "tts-1"),
)
"""What the names of OpenAI's own models begin with; its open weights (``gpt-oss``) run anywhere."""


def _facts(answer: Any, provider: str | None) -> Call:
    """The facts of a response, without dumping all of it."""
    choices = item(answer, "choices") or ()
    said = {name: item(answer, name) for name in ("usage", "id", "model", "service_tier")}
    reasons = [{"finish_reason": item(one, "finish_reason")} for one in choices]
    return facts_of({**said, "choices": reasons}, provider)


def _response_facts(answer: Any, provider: str | None) -> Call:
    return with_tools(_facts(answer, provider), answer)


def _count_chat(body: Body, model: str) -> int:
    messages = body.get("messages") or ()
    return tokenizer.count_chat_input(messages, body.get("tools"), model).tokens


def _count_responses(body: Body, model: str) -> int:
    given, instructions = body.get("input") or "", body.get("instructions")
    return tokenizer.count_responses_input(given, instructions, body.get("tools"), model).tokens


def _count_completions(body: Body, model: str) -> int:
    return tokenizer.count_embeddings_input(body.get("prompt") or "", model).tokens


def _count_embeddings(body: Body, model: str) -> int:
    return tokenizer.count_embeddings_input(body.get("input") or "", model).tokens


def _ask_for_usage(body: Body) -> Body | None:
    """With the usage chunk asked for, where the caller did not; it will be hidden from them."""
    given = body.get("stream_options")
    given = given if isinstance(given, Mapping) else {}
    if not body.get("stream") or given.get("include_usage"):
        return None
    return {**body, "stream_options": {**given, "include_usage": True}}


def _completion_in(error: BaseException) -> Any:
    """``parse`` raises over an answer that was cut short, and hangs it on the error."""
    return getattr(error, "completion", None)


def _follow_chat(exchange: Exchange) -> ChatStream:
    asked = _ask_for_usage(exchange.body or {}) is not None
    return ChatStream(exchange.read, hides=asked)


_CHAT = Endpoint(
    operation="chat",
    facts=_facts,
    texts=chat_texts,
    accumulator=_follow_chat,
    count_input=_count_chat,
    shape="openai.chat",
    answer_in=_completion_in,
    ask=_ask_for_usage,
    bounds=CHAT,
)
_COMPLETIONS = Endpoint(
    operation="text_completion",
    facts=_facts,
    texts=chat_texts,
    accumulator=_follow_chat,
    count_input=_count_completions,
    ask=_ask_for_usage,
    bounds=COMPLETIONS,
)
_RESPONSES = Endpoint(
    operation="chat",
    facts=_response_facts,
    texts=response_texts,
    accumulator=lambda exchange: ResponsesStream(exchange.read),
    count_input=_count_responses,
    shape="openai.responses",
    later=AWAITED.wait,
    beside=drawn_beside,
    bounds=RESPONSES,
)
_COMPACTION = Endpoint(operation="chat", facts=_facts, count_input=_count_responses)
_EMBEDDINGS = Endpoint(
    operation="embeddings",
    facts=_facts,
    count_input=_count_embeddings,
    shape="openai.embeddings",
    bounds=EMBEDDINGS,
)


def _served(client: Any, body: Body) -> Mapping[str, Any]:
    place = _place(str(client.base_url), body.get("model"))
    return {**place, "search_context": _search_context(body)}


def _place(url: str, model: Any) -> dict[str, Any]:
    named = model if isinstance(model, str) else None
    served = served_by(url, "openai", named, _is_openais)
    return {"provider": served.provider, "region": served.region}


def _is_openais(model: str) -> bool:
    return model.removeprefix("openai/").startswith(_MODELS)


def _search_context(body: Body) -> str | None:
    """How much a search was asked to put into the context, where one may be made."""
    asked = [body.get("web_search_options"), *(body.get("tools") or ())]
    sizes = [one.get("search_context_size") for one in asked if isinstance(one, Mapping)]
    return next((size for size in sizes if isinstance(size, str)), None)


ENDPOINTS = {
    "/chat/completions": _CHAT,
    "/responses": _RESPONSES,
    "/responses/compact": _COMPACTION,
    "/embeddings": _EMBEDDINGS,
    "/completions": _COMPLETIONS,
    "/containers": CONTAINER,
    **MEDIA,
}
"""What a POST bills, by the end of its path; moderations are free, and no call."""


def _passing(client: Any, options: Any, result: Any) -> Any:
    def served(model: Any) -> dict[str, Any]:
        return _place(str(client.base_url), model)

    return passing(options, result, served, ENDPOINTS)


PATCH = StainlessPatch(
    StainlessLibrary(package="openai", endpoints=ENDPOINTS, served=_served, passing=_passing)
)
SOCKETS = Sockets(_RESPONSES, _place)
