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
    found = [path for path in (given.get("PYTHONPATH"), own.get("PYTHONPATH")) if path]
    return {**own, **given, "PYTHONPATH": os.pathsep.join(found)}


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
    assert known == {
        "provider": "openai",
        "model": "gpt-5",
        "calls": 2,
        "unpriced": {},
        "unknown_usage": 0,
    }
    assert (unknown["model"], unknown["calls"]) == ("no-such-model", 1)
    ((reason, calls),) = unknown["unpriced"].items()
    assert "no-such-model" in reason
    assert calls == 1
    assert values["faults"] == {"journal queue full, entry dropped": 3}
    assert values["journal"]["requests"] == 1
    assert values["lost_tokens"] == ["3 x journal queue full, entry dropped"]
    told = doctor(tmp_path).stdout
    assert told.splitlines()[2] == "not priced in full: calls of no-such-model"
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


def headline(folder: Path, **given: str) -> tuple[int, list[str]]:
    """The exit code, and the lines before the first that is blank without the version."""
    done = doctor(folder, **given)
    lines = done.stdout.partition("\n\n")[0].splitlines()
    return done.returncode, [lines[0].partition(": ")[2], *lines[1:]]


WRONG = "what is set and cannot be used is left out"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "OTLP",
            "nohost",
            "otlp (AGENTMETER_OTLP): expected an address such as http://host:4318 or "
            "https://host/path, got 'nohost'",
        ),
        (
            "OTLP_HEADERS",
            "bad",
            "otlp_headers (AGENTMETER_OTLP_HEADERS): headers: expected name=value, "
            "with a comma between several",
        ),
        (
            "REQUEST_PER",
            "proces",
            "AGENTMETER_REQUEST_PER: 'proces' is none of auto, process, http, none; "
            "did you mean process?",
        ),
        (
            "INTEGRATIONS",
            "opneai",
            "AGENTMETER_INTEGRATIONS: no integration 'opneai'; did you mean openai?",
        ),
        ("METRICS", "yess", "metrics (AGENTMETER_METRICS): 'yess' is neither true nor false"),
        (
            "BUDGET_STORE",
            "localhost:6379",
            "budget_store (AGENTMETER_BUDGET_STORE): Redis URL must specify one of the following "
            "schemes (redis://, rediss://, unix://)",
        ),
    ],
)
def test_a_variable_that_cannot_be_used_fails_a_build(
    variable: str, value: str, said: str, tmp_path: Path
) -> None:
    """It is named with what is wrong, once, and nothing else is."""
    pytest.importorskip("redis")
    assert headline(tmp_path, **{f"AGENTMETER_{variable}": value}) == (1, [WRONG, f"  {said}"])


def test_a_line_of_the_project_that_cannot_be_used_fails_a_build(tmp_path: Path) -> None:
    """Its file is named, and what was left out is no value in force; a file of no TOML is told."""
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.agentmeter]\nmetrics = 'yess'\ncarry_to = ['*.corp.example']\n")
    said = "  metrics (pyproject.toml, [tool.agentmeter]): 'yess' is neither true nor false"
    assert headline(tmp_path) == (1, [WRONG, said])
    told = doctor(tmp_path).stdout.partition("\nsetting ")[2].splitlines()
    assert [line.split() for line in told[1:3]] == [
        ["carry_to", "*.corp.example", "[tool.agentmeter]"],
        ["metrics", "(left", "out)", "[tool.agentmeter]"],
    ]
    assert told[3].startswith("at the default: directory, journal, rate_card, spans,")
    assert "metrics" not in told[3]
    project.write_text("[tool")
    said = "  pyproject.toml cannot be read: TOMLDecodeError"
    assert headline(tmp_path) == (1, [WRONG, said])


def test_the_table_says_what_the_environment_leaves_out(tmp_path: Path) -> None:
    """To name one integration is no mistake; the others are not metered then."""
    values = examined(tmp_path, AGENTMETER_INTEGRATIONS="anthropic")
    assert values["well"]
    metered = {one["library"]: one["metered"] for one in values["libraries"]}
    assert (metered["anthropic"], metered["openai"]) == (True, False)
    told = doctor(tmp_path, AGENTMETER_INTEGRATIONS="anthropic").stdout
    assert "no, not in AGENTMETER_INTEGRATIONS" in told


def test_a_folder_that_cannot_be_written_fails_a_build(tmp_path: Path) -> None:
    """Nothing is left behind by looking; without a journal the folder does not matter."""
    (tmp_path / "file").write_text("")
    at = f"{tmp_path}/file/below"
    said = f"  no journal can be written to {at}: {tmp_path}/file: Not a directory"
    assert headline(tmp_path, AGENTMETER_DIR=at) == (1, ["tokens could be lost", said])
    assert headline(tmp_path, AGENTMETER_DIR=at, AGENTMETER_JOURNAL="no")[0] == 0
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


LOSING = """
import agentmeter as am
from agentmeter.runtime.faults import FAULTS
with am.request(user="u"):
    with am.agent("planner"):
        am.charge("serpapi.search", usd="0.005")
        with am.call(provider="openai", model="gpt-5"):
            pass
        try:
            with am.call(provider="openai", model="gpt-5-mini"):
                raise ConnectionError
        except ConnectionError:
            pass
FAULTS.notice("openai is imported and not metered, and a request ended without a call: …")
"""


def test_what_the_journal_says_was_lost_fails_a_build(tmp_path: Path) -> None:
    """A client that was not metered, and a call that did not fail and of which nothing is known.

    What failed has no usage; a charge and an agent are no models.
    """
    subprocess.run([sys.executable, "-c", LOSING], cwd=tmp_path, check=True, env=environment())
    assert headline(tmp_path) == (
        1,
        [
            "tokens could be lost",
            "  openai is imported and not metered, and a request ended without a call: …",
            "  1 call of gpt-5 whose usage is not known",
        ],
    )
    models = [one["model"] for one in examined(tmp_path)["models"]]
    assert models == ["gpt-5", "gpt-5-mini"]
    done = doctor(tmp_path, "--accept", "openai")
    assert "a request ended without a call" not in done.stdout.partition("\n\n")[0]
