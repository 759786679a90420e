"""The meters: the names of billable quantities, as one table.

Meters are disjoint: a token counted under ``cache_read`` is not counted under ``input`` as well,
so quantities add up and every total is derived. A meter of one's own carries a dot in its name
(``acme.page``); a name without a dot must stand in this table, so that a misspelt one is noticed.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from agentmeter.exceptions import UsageError


class Side(StrEnum):
    """Which total a meter counts towards."""

    INPUT = "input"
    OUTPUT = "output"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Meter:
    """One billable quantity.

    ``side`` is the total it belongs to, ``unit`` what one of it is, ``unsplit`` whether it is a
    sum whose parts are not known ("1,200 input, cache split not said").
    """

    name: str
    side: Side
    unit: str
    unsplit: bool = False


_TABLE = (
    # Input tokens: new, read from a cache, written to one; by modality where that is priced.
    Meter("input", Side.INPUT, "token"),
    Meter("cache_read", Side.INPUT, "token"),
    Meter("cache_write", Side.INPUT, "token"),  # for a lifetime that is not said
    Meter("cache_write_5m", Side.INPUT, "token"),
    Meter("cache_write_30m", Side.INPUT, "token"),
    Meter("cache_write_1h", Side.INPUT, "token"),
    Meter("cache_write_12h", Side.INPUT, "token"),
    Meter("input_audio", Side.INPUT, "token"),
    Meter("input_image", Side.INPUT, "token"),  # pages of documents that are read as images too
    Meter("input_video", Side.INPUT, "token"),
    Meter("cache_read_audio", Side.INPUT, "token"),
    Meter("cache_read_image", Side.INPUT, "token"),
    Meter("cache_read_video", Side.INPUT, "token"),
    Meter("input_tool_use", Side.INPUT, "token"),  # results of the provider's tools, fed back
    Meter("input_unsplit", Side.INPUT, "token", unsplit=True),
    # Output tokens: text, thoughts, predictions that came true or did not, other modalities.
    Meter("output", Side.OUTPUT, "token"),
    Meter("reasoning", Side.OUTPUT, "token"),
    Meter("accepted_prediction", Side.OUTPUT, "token"),
    Meter("rejected_prediction", Side.OUTPUT, "token"),  # not in the answer, and billed
    Meter("citation", Side.OUTPUT, "token"),  # tokens spent on citing what a search found
    Meter("output_audio", Side.OUTPUT, "token"),
    Meter("output_image", Side.OUTPUT, "token"),
    Meter("output_video", Side.OUTPUT, "token"),
    Meter("output_unsplit", Side.OUTPUT, "token", unsplit=True),
    # Work of the provider's own tools.
    Meter("web_search", Side.OTHER, "search"),
    Meter("web_search_preview", Side.OTHER, "search"),  # the tool before it was generally there
    Meter("web_fetch", Side.OTHER, "fetch"),
    Meter("x_search", Side.OTHER, "search"),
    Meter("file_search", Side.OTHER, "search"),
    Meter("maps_grounding", Side.OTHER, "query"),
    Meter("code_interpreter", Side.OTHER, "session"),
    Meter("code_interpreter_4g", Side.OTHER, "session"),  # a container with so much memory
    Meter("code_interpreter_16g", Side.OTHER, "session"),
    Meter("code_interpreter_64g", Side.OTHER, "session"),
    Meter("container_second", Side.OTHER, "second"),
    Meter("source", Side.OTHER, "source"),  # a source that a live search used
    Meter("search_unit", Side.OTHER, "search unit"),  # a query over up to 100 documents
    # What is billed by the piece or by time.
    Meter("request", Side.OTHER, "request"),
    Meter("classification", Side.OTHER, "classification"),
    Meter("image", Side.OTHER, "image"),
    Meter("page", Side.OTHER, "page"),
    Meter("character", Side.OTHER, "character"),
    Meter("text_message", Side.OTHER, "message"),  # in a session that is billed by its seconds
    Meter("audio_second", Side.OTHER, "second"),
    Meter("video_second", Side.OTHER, "second"),
    Meter("gpu_second", Side.OTHER, "second"),
    Meter("busy_millisecond", Side.OTHER, "millisecond"),
)

METERS: dict[str, Meter] = {meter.name: meter for meter in _TABLE}

_OWN_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")


def meter(name: str) -> Meter:
    """The meter called ``name``; ``UsageError`` if there is none, with the nearest name."""
    known = METERS.get(name)
    if known is not None:
        return known
    if _OWN_NAME.fullmatch(name):
        return Meter(name, Side.OTHER, "unit")
    from difflib import get_close_matches

    near = get_close_matches(name, METERS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(
        f"unknown meter {name!r}.{hint} A meter of your own carries a dot, such as 'acme.page'."
    )
