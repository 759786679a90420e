"""litellm's answer to the cases of ``price_cases.py``; run by it in an environment of its own.

Reads one JSON object a line (usage by meter, and conditions), writes one number or error a line.
"""

import json
import sys
from typing import Any

import litellm
from litellm.cost_calculator import batch_cost_calculator
from litellm.types.utils import ModelResponse, Usage

PROVIDERS = {"aws": "bedrock", "x-ai": "xai", "cohere": "cohere_chat", "moonshotai": "moonshot"}


def provider_of(case: dict[str, Any]) -> str:
    """As litellm names it; Google's two doors are two providers there."""
    claude = case["model"].startswith("claude")
    if case["provider"] == "google":
        return "vertex_ai" if claude or case["region"] or case["deployment"] else "gemini"
    if case["provider"] == "azure" and claude:
        return "azure_ai"
    if case["model"].startswith("embed-"):
        return "cohere"
    return PROVIDERS.get(case["provider"], case["provider"])


def model_of(case: dict[str, Any], provider: str) -> str:
    """Azure's data zones are other models there."""
    model = str(case["model"]).removeprefix(f"{provider}/")
    zone = "eu" if str(case["deployment"]).startswith("eu") else "us"
    if "datazone" not in str(case["deployment"]).lower():
        return model
    zoned = f"azure/{zone}/{model}"
    return f"{zone}/{model}" if provider == "azure" and zoned in litellm.model_cost else model


def usage_of(case: dict[str, Any]) -> Usage:
    """OpenAI's shape, in which wholes include their parts."""
    n: dict[str, int] = case["usage"]
    read = n.get("cache_read", 0)
    wrote = sum(n.get(name, 0) for name in ("cache_write", "cache_write_5m", "cache_write_1h"))
    cache = {"ephemeral_5m_input_tokens": n.get("cache_write_5m", 0)}
    cache["ephemeral_1h_input_tokens"] = n.get("cache_write_1h", 0)
    details: dict[str, Any] = {
        "cached_tokens": read,
        "audio_tokens": n.get("input_audio", 0),
        "cache_creation_tokens": wrote,
        "cache_creation_token_details": cache if any(cache.values()) else None,
        "web_search_requests": n.get("web_search") or None,
    }
    extra: dict[str, Any] = {name: case[name] for name in ("speed",) if case[name]}
    if case["provider"] == "anthropic" and case["region"]:
        extra["inference_geo"] = case["region"]
    if n.get("web_search"):
        extra["server_tool_use"] = {"web_search_requests": n["web_search"]}
    return Usage(
        prompt_tokens=case["total_input"],
        completion_tokens=case["total_output"],
        total_tokens=case["total_input"] + case["total_output"],
        prompt_tokens_details=details,
        completion_tokens_details={
            "reasoning_tokens": n.get("reasoning", 0),
            "audio_tokens": n.get("output_audio", 0),
        },
        cache_creation_input_tokens=wrote,
        cache_read_input_tokens=read,
        **extra,
    )


def tools_of(case: dict[str, Any]) -> dict[str, Any]:
    n = case["usage"]
    tools: dict[str, Any] = {"code_interpreter_sessions": n.get("code_interpreter")}
    if n.get("web_search") or case["search_context"]:
        tools["web_search_options"] = {"search_context_size": case["search_context"] or "low"}
    if n.get("file_search"):
        tools["file_search"] = {}
    return {name: value for name, value in tools.items() if value is not None}


def priced(case: dict[str, Any]) -> float:
    n = case["usage"]
    provider = provider_of(case)
    model = model_of(case, provider)
    if n.get("audio_second"):
        return sum(
            litellm.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                call_type="transcription",
                audio_transcription_file_duration=n["audio_second"],
            )
        )
    if n.get("character"):
        return sum(
            litellm.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                call_type="speech",
                prompt_characters=n["character"],
            )
        )
    if n.get("search_unit"):
        return sum(
            litellm.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                call_type="rerank",
                number_of_queries=n["search_unit"],
                rerank_billed_units={"search_units": n["search_unit"]},
            )
        )
    if model.startswith("embed-"):
        return sum(
            litellm.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                call_type="embedding",
                prompt_tokens=case["total_input"],
            )
        )
    places: dict[str, Any] = {}
    if provider == "openai":
        places["data_residency"] = case["region"]
    if provider == "vertex_ai":
        places["vertex_location"] = case["region"] or case["deployment"]
    if case["batch"]:
        return sum(
            batch_cost_calculator(
                usage=usage_of(case), model=model, custom_llm_provider=provider, **places
            )
        )
    return litellm.completion_cost(
        completion_response=ModelResponse(model=model, usage=usage_of(case)),
        model=model,
        custom_llm_provider=provider,
        service_tier=case["tier"],
        region_name=case["region"] if provider == "bedrock" else None,
        standard_built_in_tools_params=tools_of(case) or None,
        **places,
    )


def main() -> None:
    litellm.suppress_debug_info = True
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"amount": repr(priced(json.loads(line)))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:120]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
