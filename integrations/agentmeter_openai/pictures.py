"""Models that draw or write a picture for another's answer: what they took, as calls."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentmeter.integration import Call, facts_of
from agentmeter_openai.streams import item

_OPERATION = "image_generation"


def drawn_beside(response: Any) -> Iterator[Call]:
    """Of a response: the pictures that its tool drew, and those that were written as SVG.

    The tokens of all drawings are told in one sum, and it may leave out some.
    """
    drawn = item(item(response, "tool_usage"), "image_gen")
    if item(drawn, "total_tokens"):
        yield _call(_drawer(response), _drawn(drawn))
    for one in item(response, "output") or ():
        yield from written_beside(one)


def written_beside(picture: Any) -> Iterator[Call]:
    """Of an answer with a picture in SVG, or of an item that is one: who wrote it."""
    written = item(picture, "svg_usage")
    if item(written, "total_tokens"):
        yield _call(item(written, "model"), _written(written))


def _call(model: Any, usage: Mapping[str, Any]) -> Call:
    said = facts_of({"usage": usage}, "openai")
    return Call(model=model, operation=_OPERATION, usage=said.usage)


def _drawer(response: Any) -> str | None:
    """The model that the tool was given; the default changes, so without one it is unknown."""
    tools = item(response, "tools") or ()
    named = (item(one, "model") for one in tools if item(one, "type") == _OPERATION)
    return next((name for name in named if isinstance(name, str)), None)


def _drawn(used: Any) -> dict[str, Any]:
    """As the endpoint of pictures tells it, with what was cached inside of its details.

    Output that is not told apart is pictures.
    """
    cached, of_input = item(used, "cached_tokens_details"), item(used, "input_tokens_details")
    inside = {
        "image_tokens": item(of_input, "image_tokens"),
        "cached_tokens": item(used, "cached_tokens"),
        "cached_tokens_details": {"image_tokens": item(cached, "cached_image_tokens")},
    }
    told = {name: value for name, value in inside.items() if value is not None}
    of_output = item(used, "output_tokens_details")
    made = item(of_output, "image_tokens") if of_output else item(used, "output_tokens")
    return {
        **_sums(used),
        "input_tokens_details": told,
        "output_tokens_details": {"image_tokens": made},
    }


def _written(used: Any) -> dict[str, Any]:
    thought = {"reasoning_tokens": item(used, "reasoning_tokens")}
    return {**_sums(used), "output_tokens_details": thought}


def _sums(used: Any) -> dict[str, Any]:
    return {name: item(used, name) for name in ("input_tokens", "output_tokens", "total_tokens")}
