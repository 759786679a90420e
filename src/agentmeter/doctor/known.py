"""Libraries that spend tokens or money and have no integration, as a table."""

from dataclasses import dataclass

_CALL = "put its calls into agentmeter.call() and record() their answers"
_OWN_SPANS = "its spans are read where a tracer provider is configured; its calls are not metered"
_CHARGE = "say what it costs with agentmeter.charge()"
_COMPATIBLE = "use it through the openai client at its base URL, or " + _CALL
_SECONDS = "price its time with a self-hosted rate, and " + _CALL


@dataclass(frozen=True, slots=True)
class Known:
    """A library: what is imported, how it is installed, and what to do about it."""

    library: str
    distribution: str
    advice: str


KNOWN = (
    Known("groq", "groq", _COMPATIBLE),
    Known("ollama", "ollama", _COMPATIBLE),
    Known("together", "together", _COMPATIBLE),
    Known("fireworks", "fireworks-ai", _COMPATIBLE),
    Known("cerebras.cloud.sdk", "cerebras-cloud-sdk", _COMPATIBLE),
    Known("xai_sdk", "xai-sdk", _COMPATIBLE),
    Known("perplexity", "perplexityai", _COMPATIBLE),
    Known("openrouter", "openrouter", _COMPATIBLE),
    Known("zhipuai", "zhipuai", _COMPATIBLE),
    Known("zai", "zai-sdk", _COMPATIBLE),
    Known("volcenginesdkarkruntime", "volcengine-python-sdk", _COMPATIBLE),
    Known("dashscope", "dashscope", _COMPATIBLE),
    Known("qianfan", "qianfan", _COMPATIBLE),
    Known("huggingface_hub", "huggingface-hub", _COMPATIBLE),
    Known("replicate", "replicate", _SECONDS),
    Known("vllm", "vllm", _SECONDS),
    Known("llama_cpp", "llama-cpp-python", _SECONDS),
    Known("mlx_lm", "mlx-lm", _SECONDS),
    Known("sglang", "sglang", _SECONDS),
    Known("ai21", "ai21", _CALL),
    Known("writerai", "writer-sdk", _CALL),
    Known("reka", "reka-api", _CALL),
    Known("voyageai", "voyageai", _CALL),
    Known("google.generativeai", "google-generativeai", "move to google-genai, which is metered"),
    Known("vertexai", "google-cloud-aiplatform", "move to google-genai, which is metered"),
    Known("azure.ai.inference", "azure-ai-inference", _COMPATIBLE),
    Known("ibm_watsonx_ai", "ibm-watsonx-ai", _CALL),
    Known("gigachat", "gigachat", _CALL),
    Known("portkey_ai", "portkey-ai", _COMPATIBLE),
    Known("agno", "agno", _OWN_SPANS),
    Known("semantic_kernel", "semantic-kernel", _OWN_SPANS),
    Known("fal_client", "fal-client", _CHARGE),
    Known("elevenlabs", "elevenlabs", _CHARGE),
    Known("deepgram", "deepgram-sdk", _CHARGE),
    Known("assemblyai", "assemblyai", _CHARGE),
    Known("tavily", "tavily-python", _CHARGE),
    Known("exa_py", "exa-py", _CHARGE),
    Known("serpapi", "google-search-results", _CHARGE),
    Known("firecrawl", "firecrawl-py", _CHARGE),
)
