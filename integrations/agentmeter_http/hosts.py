"""Which hosts a request is carried to."""

import ipaddress
from collections.abc import Iterable

# As the providers' own clients have them; a carrier would tell them nothing, and us nothing back.
PROVIDERS = (
    "*.openai.com",
    "*.openai.azure.com",
    "*.cognitiveservices.azure.com",
    "*.services.ai.azure.com",
    "*.anthropic.com",
    "*.googleapis.com",
    "*.amazonaws.com",
    "*.mistral.ai",
    "*.cohere.com",
    "*.cohere.ai",
    "*.deepseek.com",
    "*.groq.com",
    "*.x.ai",
    "*.perplexity.ai",
    "openrouter.ai",
    "*.together.xyz",
    "*.together.ai",
    "*.fireworks.ai",
    "*.huggingface.co",
    "*.replicate.com",
    "*.voyageai.com",
    "*.moonshot.ai",
    "*.moonshot.cn",
    "*.aliyuncs.com",
    "*.databricks.com",
)
_PRIVATE = ("*.local", "*.internal", "*.svc", "*.svc.cluster.local", "*.localhost", "*.lan")


def allowed(host: str, port: int | None, named: Iterable[str]) -> bool:
    """Whether a request may be carried to ``host``; ``named`` are the application's own.

    A name may have a port, and ``*.`` for everything below it.
    """
    host = host.strip("[]").lower()
    if any(_fits(host, port, pattern) for pattern in PROVIDERS):
        return False
    return _cannot_be_public(host) or any(_fits(host, port, pattern) for pattern in named)


def _cannot_be_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or any(_fits(host, None, pattern) for pattern in _PRIVATE)


def _fits(host: str, port: int | None, pattern: str) -> bool:
    name, _, wanted = pattern.partition(":")
    if wanted and str(port) != wanted:
        return False
    if name.startswith("*."):
        return host.endswith(name[1:]) or host == name[2:]
    return host == name
