"""Settings: which source goes over which, and what is set and is no setting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.settings import SETTINGS, ZERO_CODE, Found, Settings, providers_in


def test_arguments_go_over_the_environment_over_the_file_over_the_default() -> None:
    """Each setting is found at the first place that has it, and the place is told."""
    file = {"directory": "from-file", "spans": False}
    environment = {"AGENTMETER_DIR": "from-environment", "AGENTMETER_SPANS": ""}
    settings = Settings({"directory": "given"}, environment, file)
    assert settings.found("directory") == Found("given", "argument")
    settings = Settings({}, environment, file)
    assert settings.found("directory") == Found("from-environment", "AGENTMETER_DIR")
    assert settings.found("spans") == Found(False, "[tool.agentmeter]")
    assert settings.found("provenance") == Found(True, "default")


def test_what_is_no_setting_is_named_with_what_may_be_meant() -> None:
    """Misspelled names are found in both places; what others have set is left alone."""
    environment = {
        "AGENTMETER_RATECARD": "x",
        "AGENTMETER_QUUX": "1",
        "AGENTMETER_REQUEST": "0" * 32,
        "AGENTMETER_USER": "u-1",
        "PATH": "/bin",
    }
    file = {"carry-to": ["a"], "budget": [], "budgets": []}
    assert Settings({}, environment, file).strangers() == [
        "environment: AGENTMETER_QUUX is no setting",
        "environment: AGENTMETER_RATECARD is no setting; did you mean AGENTMETER_RATE_CARD?",
        "pyproject.toml, [tool.agentmeter]: budgets is no setting; did you mean budget?",
        "pyproject.toml, [tool.agentmeter]: carry-to is no setting; did you mean carry_to?",
    ]


def test_every_setting_is_in_the_help() -> None:
    """What ``help(agentmeter.configure)`` lists is the table, and nothing is missing there."""
    import agentmeter as am

    text = am.configure.__doc__ or ""
    assert [
        one.name for one in SETTINGS if one.variable and f"``{one.variable}``" not in text
    ] == []


def test_providers_are_a_table_or_pairs_in_a_variable() -> None:
    """Hosts in lower case; what is no pair is refused with an example."""
    assert providers_in("LLM.corp.example=openai, b.example:80 = mistral") == {
        "llm.corp.example": "openai",
        "b.example:80": "mistral",
    }
    assert providers_in({"llm.corp.example": "openai"}) == {"llm.corp.example": "openai"}
    for bad in ("llm.corp.example", "https://llm.corp.example=openai", "=openai"):
        with pytest.raises(ConfigurationError, match=r"such as llm\.corp\.example = openai"):
            providers_in(bad)


PROGRAM = """
import agentmeter as am
from agentmeter.integration import FAULTS, STATE
am.configure(journal=False)
am.configure(journal=False)
print(STATE.providers)
for place, count in FAULTS.counts().items():
    print(count, place)
"""


def test_a_process_counts_what_is_no_setting_once_and_goes_on(tmp_path: Path) -> None:
    """It is a fault and no error, and a second ``configure`` does not count it again."""
    table = (
        '[tool.agentmeter]\nprovider = "x"\n[tool.agentmeter.providers]\n"a.example" = "openai"\n'
    )
    (tmp_path / "pyproject.toml").write_text(table)
    env = {**os.environ, "AGENTMETER_SPAN": "no"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "{'a.example': 'openai'}",
        "1 configuration: environment: AGENTMETER_SPAN is no setting; did you mean AGENTMETER_SPANS?",
        "1 configuration: pyproject.toml, [tool.agentmeter]: provider is no setting; "
        "did you mean providers?",
    ], done.stderr


def test_the_page_on_settings_names_every_one() -> None:
    """With its variable, in the order of the table; and what only a program as it stands reads."""
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    named = [(row[0].split("`")[1], row[1].strip().strip("`")) for row in rows]
    settings = [(one.name if one.variable else "budgets", one.variable or "-") for one in SETTINGS]
    assert named[: len(settings)] == settings
    assert [name for name, _ in named[len(settings) :]] == list(ZERO_CODE)


_METERED = """
import agentmeter as am
from agentmeter.runtime.faults import FAULTS

with am.request(user="u"), am.call(provider="openai", model="gpt-5") as call:
    call.record(am.Usage(input=1))
am.flush()
print(am.flush(), *FAULTS.counts(), sep="\\n")
"""


@pytest.mark.parametrize(
    ("made", "named"),
    [
        *((f"{one} = 5", one) for one in sorted(
            one.name for one in SETTINGS
            if one.kinds != (object,) or one.name in ("budget", "budget_store")
        )),
        ("carry_to = [5]", "carry_to"),
        ('public_names = ["a"]', "public_names"),
        ('otlp = "http://h:1"\notlp_headers = ["a"]\n journal = []', "otlp_headers"),
        ('otlp = "http://127.0.0.1:9"\notlp_token = "sEcret\\n"', "otlp"),
    ],
)  # fmt: skip
def test_a_setting_of_the_wrong_kind_costs_no_entry(tmp_path: Path, made: str, named: str) -> None:
    """It is left out and named in a fault, without what may be a secret; the journal is written."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.agentmeter]\n{made}\n")
    command = [sys.executable, "-c", _METERED]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    faults = [one for one in ran.stdout.splitlines() if one.startswith("configuration: ")]
    assert any(named in one for one in faults)
    written = "".join(file.read_text() for file in (tmp_path / ".agentmeter").glob("*.jsonl"))
    assert written.count('"record"') == 2
    assert "sEcret" not in ran.stderr + ran.stdout + written


def test_the_token_of_the_receiver_is_no_stranger() -> None:
    """``agentmeter serve`` reads it, and programs beside it may have the same environment."""
    assert Settings({}, {"AGENTMETER_TOKEN": "x" * 20}, {}).strangers() == []


_CONFIGURED = """
import agentmeter as am
from agentmeter.integration import FAULTS, STATE
am.configure(directory="x")
am.configure(directory="x")
print(STATE.settings["metrics"], STATE.settings["rate_card"], STATE.reader.folder)
print(*(f"{count} {place}" for place, count in FAULTS.counts().items()), sep="\\n")
"""


def test_a_typo_of_the_operators_does_not_stop_an_application(tmp_path: Path) -> None:
    """Where ``configure`` is called too: what cannot be used gives way to the next source."""
    (tmp_path / "pyproject.toml").write_text(
        "[tool.agentmeter]\nmetrics = true\nprovenance = 'maybe'\n"
    )
    wrong = {
        "AGENTMETER_METRICS": "yess",
        "AGENTMETER_RATE_CARD": "nope.toml",
        "AGENTMETER_OTLP": "nohost",
        "AGENTMETER_OTLP_HEADERS": "bad",
    }
    done = subprocess.run(
        [sys.executable, "-c", _CONFIGURED],
        cwd=tmp_path,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "True None x",
        "1 configuration: metrics (AGENTMETER_METRICS): 'yess' is neither true nor false",
        "1 configuration: otlp (AGENTMETER_OTLP): expected an address such as http://host:4318 or "
        "https://host/path, got 'nohost'",
        "1 configuration: otlp_headers (AGENTMETER_OTLP_HEADERS): headers: expected name=value, "
        "with a comma between several",
        "1 configuration: provenance (pyproject.toml, [tool.agentmeter]): "
        "'maybe' is neither true nor false",
        "1 configuration: rate_card (AGENTMETER_RATE_CARD): nope.toml: cannot be read as text: "
        "[Errno 2] No such file or directory: 'nope.toml'",
    ], done.stderr


def test_what_code_gives_and_cannot_be_used_is_an_error() -> None:
    """The programmer is told at once, and nothing changes."""
    import agentmeter as am

    with pytest.raises(ConfigurationError, match=r"^metrics: 'yess' is neither true nor false"):
        am.configure(metrics="yess")  # type: ignore[arg-type]
    with pytest.raises(am.RateCardError, match=r"nope\.toml: cannot be read"):
        am.configure(rate_card="nope.toml")
