"""What was said to a model or by it, in the spans of other instrumentations; and leaving it out."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_NAMES = (
    # the GenAI conventions, and what came before them
    r"gen_ai\.(input|output)\.messages",
    r"gen_ai\.system_instructions",
    r"gen_ai\.(prompt|completion)(\.\d+\..+)?",
    r"gen_ai\.(content|choice|\w+\.message)(\..+)?",
    r"gen_ai\.tool\.(definitions|description|json_schema|call\.arguments|call\.result)",
    r"gen_ai\.retrieval\.(documents|query\.text)",
    r"gen_ai\.(evaluation\.explanation|agent\.description)",
    # OpenInference
    r"(input|output)\.value",
    r"llm\.(input_messages|output_messages|prompts|completions|prompt_template|tools)(\..+)?",
    r"llm\.function_call",
    r"(retrieval|reranker)\.(documents|input_documents|output_documents|query)(\..+)?",
    r"embedding\.embeddings(\..+)?",
    r"(message|document)\.(content|contents)(\..+)?",
    r"tool\.(parameters|description)|tool_call\.function\.arguments",
    # Traceloop, Langfuse
    r"traceloop\.(entity|prompt)\.(input|output|template|template_variables)(\..+)?",
    r"langfuse\.(observation|trace)\.(input|output|status_message)",
    # Logfire and pydantic-ai
    r"(pydantic_ai\.)?all_messages(_events)?|events|final_result|prompt",
    r"request_data|response_data|model_request_parameters|tool_(arguments|response)",
    r"logfire\.(msg|json_schema)",
    # Google's agents
    r"gcp\.vertex\.agent\.(llm_request|llm_response|tool_call_args|tool_response|data)",
    # what errors and statements quote
    r"exception\.(message|stacktrace)|error\.message",
    r"db\.(statement|query\.text)|db\.query\.parameter\..+",
    r"(http\.(request|response)|rpc\.message)\.body(\..+)?",
)
_CONTENT = re.compile("|".join(_NAMES), re.ASCII)


@lru_cache(maxsize=4096)
def is_content(name: str) -> bool:
    """Whether the attribute of this name holds text of a prompt, an answer, a document or an error.

    No attribute that a dialect reads is one.
    """
    return _CONTENT.fullmatch(name) is not None


def without_content(span: Mapping[str, Any]) -> dict[str, Any]:
    """An OTLP JSON span without content, events, and what its status says in words.

    How many attributes and events went is added to the counts that OTLP has for it. The span is
    one that can be read: its attributes have keys.
    """
    kept = {name: value for name, value in span.items() if name != "events"}
    said = span.get("attributes") or ()
    attributes = [entry for entry in said if not is_content(entry["key"])]
    _replace(kept, "attributes", attributes, "droppedAttributesCount", len(said) - len(attributes))
    events = span.get("events")
    if isinstance(events, list) and events:
        _count(kept, "droppedEventsCount", len(events))
    status = span.get("status")
    if isinstance(status, Mapping):
        kept["status"] = {name: value for name, value in status.items() if name != "message"}
    return kept


def _replace(span: dict[str, Any], name: str, value: object, counter: str, dropped: int) -> None:
    if dropped:
        span[name] = value
        _count(span, counter, dropped)


def _count(span: dict[str, Any], counter: str, dropped: int) -> None:
    before = span.get(counter)
    span[counter] = dropped + (before if isinstance(before, int) else 0)
