"""``agentmeter doctor`` on a machine that is arranged for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import agentmeter as am
from agentmeter.runtime.faults import FAULTS
with am.request(user="u"):
    for model in ("gpt-5", "gpt-5", "no-such-model"):
        with am.call(provider="openai", model=model) as call:
            call.record(am.Usage(input=8))
FAULTS.count("journal queue full, entry dropped", times=3)
"""


def installed(folder: Path, distribution: str, version: str, module: str | None = None) -> None:
    """Have a distribution in ``folder``, with an empty module."""
    named = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    named.mkdir(parents=True)
    (named / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )
    if module is not None:
        (folder / f"{module}.py").write_text("raise SystemExit('imported')\n")


def environment(**given: str) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("AGENTMETER")}
    return {**own, **given}


def doctor(folder: Path, *args: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentmeter.cli", "doctor", *args],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(**given),
        timeout=120,
    )


def examined(folder: Path, **given: str) -> dict[str, Any]:
    done = doctor(folder, "--json", **given)
    values: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (not values["well"]), done.stderr
    return values


def library(values: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in values["libraries"] if one["library"] == name)
    return dict(found)


def test_what_is_metered_and_fits_is_nothing_to_worry_about(tmp_path: Path) -> None:
    """The libraries of this environment: by whom, which versions, and an exit code of 0."""
    values = examined(tmp_path)
    assert values["could_lose_tokens"] == []
    openai = library(values, "openai")
    assert (openai["metered"], openai["integration"], openai["on"]) == (True, "openai", False)
    assert openai["versions"].keys() == openai["supported"].keys() == {"openai"}
    assert len(openai["also_metered_by"]) == 2
    assert values["journal"]["problem"].startswith(".agentmeter: no such file or folder")
    assert values["settings"]["directory"] == {"value": ".agentmeter", "source": "default"}
    hub = library(values, "huggingface_hub")
    assert hub["could_lose_tokens"] is None
    assert "here since tokenizers needs it" in hub["note"]


def test_what_is_not_metered_or_too_old_could_lose_tokens(tmp_path: Path) -> None:
    """A client without an integration and an old one fail a build, until they are accepted."""
    installed(tmp_path / "site", "groq", "1.2.0", "groq")
    installed(tmp_path / "site", "mistralai", "1.9.0")
    path = str(tmp_path / "site")
    values = examined(tmp_path, PYTHONPATH=path)
    assert values["could_lose_tokens"] == ["mistralai.client", "groq"]
    assert library(values, "groq")["could_lose_tokens"].startswith("no integration: use it")
    assert library(values, "mistralai.client")["could_lose_tokens"] == (
        "mistralai 1.9.0 is older than 2.0.0, the oldest that is supported"
    )
    told = doctor(tmp_path, PYTHONPATH=path).stdout
    assert told.splitlines()[0].endswith("tokens could be lost")
    accepted = ("--accept", "groq", "--accept", "mistralai.client")
    done = doctor(tmp_path, *accepted, PYTHONPATH=path)
    assert (done.returncode, done.stdout.count("no integration: use it")) == (0, 1)


def test_an_integration_that_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    """Somebody's own, whose module is gone."""
    installed(tmp_path / "site", "acme-meter", "1.0")
    points = tmp_path / "site" / "acme_meter-1.0.dist-info" / "entry_points.txt"
    points.write_text("[agentmeter.integrations]\nacme = acme_meter:Acme\n")
    values = examined(tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert values["could_lose_tokens"] == ["acme"]
    assert "No module named 'acme_meter'" in library(values, "acme")["could_lose_tokens"]


def test_models_without_a_price_and_drops_of_ended_processes_are_shown(tmp_path: Path) -> None:
    """From the journal: what was called, why it is not priced, and what its writers counted."""
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True, env=environment())
    values = examined(tmp_path)
    known, unknown = values["models"]
    assert known == {"provider": "openai", "model": "gpt-5", "calls": 2, "unpriced": {}}
    assert (unknown["model"], unknown["calls"]) == ("no-such-model", 1)
    ((reason, calls),) = unknown["unpriced"].items()
    assert "no-such-model" in reason
    assert calls == 1
    assert values["faults"] == {"journal queue full, entry dropped": 3}
    assert values["journal"]["requests"] == 1
    told = doctor(tmp_path).stdout
    assert f"1 not in full: {reason}" in told
    assert "  3 x journal queue full, entry dropped" in told


def test_settings_are_shown_with_their_source_and_secrets_are_not(tmp_path: Path) -> None:
    """What is in force and where it comes from; wrong values and names are faults here."""
    (tmp_path / "pyproject.toml").write_text("[tool.agentmeter]\nspans = false\ndirectry = 'x'\n")
    values = examined(
        tmp_path, AGENTMETER_CARRIER_KEY="hush", AGENTMETER_PROVENANCE="maybe", AGENTMETER_DRI="x"
    )
    settings = values["settings"]
    assert settings["spans"] == {"value": False, "source": "[tool.agentmeter]"}
    assert settings["carrier_key"] == {"value": "(set)", "source": "AGENTMETER_CARRIER_KEY"}
    assert values["faults"] == {
        "configuration: environment: AGENTMETER_DRI is no setting; did you mean AGENTMETER_DIR?": 1,
        "configuration: pyproject.toml, [tool.agentmeter]: directry is no setting; "
        "did you mean directory?": 1,
        "configuration: provenance (AGENTMETER_PROVENANCE): 'maybe' is neither true nor false": 1,
    }
    assert "hush" not in json.dumps(values)
    assert not (tmp_path / ".agentmeter").exists()


@pytest.mark.parametrize("name", ["openai", "anthropic", "cohere", "langchain_core"])
def test_looking_imports_no_library(name: str, tmp_path: Path) -> None:
    """An examination takes no longer for what is installed."""
    program = f"import sys; from agentmeter.doctor import examine; examine(); assert {name!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=environment())
