"""Integrations are found, and switched on without importing what the application does not use."""

import subprocess
import sys

import pytest

from agentmeter.integration import is_installed

LATER = """
import sys
import agentmeter as am
libraries = {"openai", "anthropic", "google.genai", "botocore", "mistralai.client", "cohere"}
on = am.instrument()
assert on["openai"] and on["mistralai"] and on["google-genai"], on
assert not libraries & set(sys.modules), libraries & set(sys.modules)
"""

LIBRARIES = {
    "openai": ("openai._base_client", "SyncAPIClient", "request"),
    "anthropic": ("anthropic._base_client", "SyncAPIClient", "request"),
    "google.genai": ("google.genai._api_client", "BaseApiClient", "_request"),
    "boto3": ("botocore.client", "BaseClient", "_make_api_call"),
    "mistralai.client": ("mistralai.client.chat", "Chat", "complete"),
    "cohere": ("cohere.v2.raw_client", "RawV2Client", "chat"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_metered_when_it_is_imported(library: str) -> None:
    """Not before, since importing all takes seconds; and not once metering is off."""
    module, owner, method = LIBRARIES[library]
    look = f"""
import importlib
importlib.import_module({library!r})
owner = getattr(importlib.import_module({module!r}), {owner!r})
ours = lambda: getattr(owner, {method!r}).__globals__["__name__"].startswith("agentmeter")
print(ours())
am.uninstrument()
print(ours())
"""
    command = [sys.executable, "-c", LATER + look]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["True", "False"], "")


def test_what_is_below_a_package_that_is_missing_is_not_installed() -> None:
    """Looking for it raises nothing."""
    assert is_installed("json.decoder")
    assert not is_installed("no_such_package.genai")
