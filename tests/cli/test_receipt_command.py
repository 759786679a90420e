"""``agentmeter receipt``, as a person runs it."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.test_commands import agentmeter

PLANS = """
[[plan]]
name = "pro"
[[plan.charge]]
name = "Answers"
for = "requests"
price = "0.05"
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the demo's journal, and the id of its large request."""
    folder = tmp_path_factory.mktemp("demo")
    assert agentmeter("demo", cwd=folder).returncode == 0
    document = json.loads(agentmeter("report", "--json", cwd=folder).stdout)
    (folder / "plans.toml").write_text(PLANS)
    (folder / "names.toml").write_text('[public_names]\nsearch = "Searched the web"\n')
    return folder, next(one["request_id"] for one in document["requests"] if one["user"] == "u-2")


def receipt(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return agentmeter("receipt", *args, cwd=folder)


def test_every_format_tells_the_same(recorded: tuple[Path, str]) -> None:
    """Text, JSON, Markdown and HTML: the charge, the public name, and no name besides."""
    folder, request_id = recorded
    given = ("--request", request_id[:12], "--plans", "plans.toml", "--names", "names.toml")
    text = receipt(folder, *given).stdout
    assert "  Charge:     $0.05" in text
    assert "  Searched the web, 4 times" in text
    document = json.loads(receipt(folder, *given, "--format", "json").stdout)
    assert document["charge"]["amount"] == "0.05"
    assert {"what": "Searched the web", "kind": "tool", "times": 4} in document["done"]
    assert "- **Charge:** \\$0\\.05" in receipt(folder, *given, "--format", "md").stdout
    page = receipt(folder, *given, "--format", "html").stdout
    assert "<dt>Charge</dt><dd>$0.05</dd>" in page
    for said in (text, page, str(document)):
        assert "researcher" not in said
        assert "gpt" not in said


def test_details_are_switched_on_one_by_one(recorded: tuple[Path, str]) -> None:
    """Each --detail adds its own."""
    folder, request_id = recorded
    plain = json.loads(receipt(folder, "--request", request_id, "--format", "json").stdout)
    assert not {"cost", "models", "prices", "margin", "owner"} & set(plain)
    told = json.loads(
        receipt(
            *(folder, "--request", request_id, "--format", "json"),
            *("--detail", "cost", "--detail", "models", "--detail", "names"),
        ).stdout
    )
    assert set(told) - set(plain) == {"cost", "models"}
    assert {"what": "researcher", "kind": "step", "times": 1} in told["done"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("--request", "zzz"), "no request's id is or begins with 'zzz'"),
        (("--request", "", "--plan", "pro"), "--plan names one of the plans in --plans"),
        (("--plans", "plans.toml", "--plan", "gold"), "there is no plan 'gold'; there are pro"),
        (("--plans", "none.toml"), "none.toml: cannot be read as text"),
        (("--names", "plans.toml"), "plans.toml, line 1: public_names: write [public_names]"),
    ],
)
def test_what_is_wrong_is_said(
    recorded: tuple[Path, str], args: tuple[str, ...], problem: str
) -> None:
    """The message says what, and what there is instead."""
    folder, request_id = recorded
    known = () if "--request" in args else ("--request", request_id)
    done = receipt(folder, *known, *args)
    assert done.returncode != 0
    assert problem in done.stderr


def test_names_of_the_project_are_used(recorded: tuple[Path, str]) -> None:
    """Without --names those of pyproject.toml hold."""
    folder, request_id = recorded
    file = folder / "pyproject.toml"
    file.write_text('[tool.agentmeter.public_names]\nsearch = "Looked it up"\n')
    try:
        assert "Looked it up, 4 times" in receipt(folder, "--request", request_id).stdout
    finally:
        file.unlink()
