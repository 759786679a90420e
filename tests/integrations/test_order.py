"""Frameworks that are imported after metering was switched on, as applications do it."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

MODULES = {
    "agent-framework": ("agent_framework", "agent_framework.openai"),
    "autogen": ("autogen_agentchat.agents", "autogen_agentchat.teams"),
    "claude-agent-sdk": ("claude_agent_sdk",),
    "crewai": ("crewai",),
    "dspy": ("dspy",),
    "google-adk": ("google.adk.agents", "google.adk.runners"),
    "haystack": ("haystack", "haystack.components.agents"),
    "langchain": ("langgraph.graph", "langchain.agents", "langchain_core.runnables"),
    "llama-index": ("llama_index.core.agent.workflow", "llama_index.core"),
    "mcp": ("mcp", "mcp.server"),
    "openai-agents": ("agents",),
    "pydantic-ai": ("pydantic_ai", "pydantic_ai.models"),
    "smolagents": ("smolagents",),
    "strands": ("strands", "strands.models"),
}

PROGRAM = """
import sys
import agentmeter as am
from agentmeter.integration import FAULTS
from importlib import import_module
name, module = sys.argv[1:]
am.instrument()
import_module(module)
patch = import_module(f"agentmeter_{name.replace('-', '_')}.patch")
print(patch.PATCHES.on, FAULTS.counts())
"""


def _is_here(module: str) -> bool:
    try:
        return find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None
    except ModuleNotFoundError:
        return False
    except ValueError:  # a lazy module, which is there and says nothing of where it came from
        return True


@pytest.mark.parametrize(
    ("name", "module"), [(name, module) for name, some in MODULES.items() for module in some]
)
def test_a_framework_is_metered_from_its_import_on(name: str, module: str) -> None:
    """Whichever part of it comes first, all of it is patched, and nothing fails half-way."""
    if not _is_here(module):
        pytest.skip(f"{module} is not here")
    command = [sys.executable, "-c", PROGRAM, name, module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["True {}"], done.stderr
