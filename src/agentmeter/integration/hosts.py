"""Who serves at a base URL: many providers speak the protocol of another.

A host that the application has named in ``providers``, or that the table knows, is its provider.
At any other, a model of the protocol's owner is taken for the owner's, behind a gateway or a proxy;
any other model is the host's own, and the provider is then called by the host's name, for which
nobody has prices, rather than by a name that is not true.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from agentmeter.runtime.state import STATE

_HOSTS = {
    "api.anthropic.com": "anthropic",
    "api.openai.com": "openai",
    "inference.ai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "openai.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "aiplatform.googleapis.com": "google",
    "generativelanguage.googleapis.com": "google",
    "rep.googleapis.com": "google",
    "amazonaws.com": "aws",
    "api.aws": "aws",
    "openrouter.ai": "openrouter",
    "groq.com": "groq",
    "deepseek.com": "deepseek",
    "together.ai": "together",
    "together.xyz": "together",
    "mistral.ai": "mistral",
    "x.ai": "x-ai",
    "perplexity.ai": "perplexity",
    "fireworks.ai": "fireworks",
    "cerebras.ai": "cerebras",
    "cohere.ai": "cohere",
    "cohere.com": "cohere",
    "moonshot.ai": "moonshotai",
    "moonshot.cn": "moonshotai",
    "minimax.io": "minimax",
    "z.ai": "zai",
    "bigmodel.cn": "zhipuai",
    "novita.ai": "novita",
    "baseten.co": "baseten",
    "databricks.com": "databricks",
    "voyageai.com": "voyageai",
    "huggingface.co": "huggingface",
    "deepinfra.com": "deepinfra",
    "sambanova.ai": "sambanova",
    "nebius.com": "nebius",
    "aliyuncs.com": "alibaba",
    "githubcopilot.com": "github-copilot",
}
"""Host, or what it ends with after a dot → provider, by genai-prices' id where it has one."""

_PORTS = {11434: "ollama", 1234: "lmstudio", 8000: "vllm", 8080: "llama.cpp"}
"""What listens at a port of one's own machine unless it was told otherwise."""

_OWN_MACHINE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")

_REGIONS = (
    r"^(eu|us|[a-z]{2})\.api\.openai\.com$",
    r"(?:^|\.)bedrock[a-z-]*\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:amazonaws\.com|api\.aws)",
    r"^([a-z]+-[a-z]+\d+)-aiplatform\.googleapis\.com$",
    r"^aiplatform\.(eu|us)\.rep\.googleapis\.com$",
)
"""Hosts that say where they serve."""


@dataclass(frozen=True, slots=True)
class Served:
    """The provider behind a base URL, and the region that its host names."""

    provider: str
    region: str | None = None


def served_by(url: str, owner: str, model: str | None, is_owners: Callable[[str], bool]) -> Served:
    """Who answers at ``url`` in the protocol of ``owner``; ``is_owners`` knows its models."""
    host, port, known = _at(url)
    named = _named(host, port) if STATE.providers else None
    if named is not None:
        return Served(named, known.region if known is not None else None)
    if known is not None:
        return known
    if model is None or is_owners(model):
        return Served(owner)
    if host in _OWN_MACHINE:
        return Served(_PORTS.get(port, "localhost"))
    return Served(host or owner)


@lru_cache(1024)
def _at(url: str) -> tuple[str, int, Served | None]:
    """The host and port of a URL, and who that is where the table knows it."""
    authority = re.sub(r"^[a-z]+://", "", url.lower()).partition("/")[0].rpartition("@")[2]
    host, port = _split(authority)
    region = next((found[1] for one in _REGIONS if (found := re.search(one, host))), None)
    known = _known(host)
    return host, port, Served(known, region) if known is not None else None


def _named(host: str, port: int) -> str | None:
    """What the application has named, the host at its port before the host."""
    return STATE.providers.get(f"{host}:{port}") or _in(STATE.providers, host)


def _in(table: Mapping[str, str], host: str) -> str | None:
    """What a table has for a host, or for the nearest that it is below."""
    at = host
    while at:
        if at in table:
            return table[at]
        at = at.partition(".")[2]
    return None


def _known(host: str) -> str | None:
    known = _in(_HOSTS, host)
    if known is not None:
        return known
    return "google" if host.endswith("-aiplatform.googleapis.com") else None


def _split(authority: str) -> tuple[str, int]:
    found = re.fullmatch(r"\[?([^\]]*?)\]?(?::(\d+))?", authority)
    host, port = found.groups() if found else (authority, None)
    return host, int(port or 0)
