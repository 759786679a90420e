"""What the command line writes for other readers: the page, CSV, profiles."""

import csv
import json
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tests.cli.test_commands import agentmeter
from tests.cli.test_plans_command import PLANS

from agentmeter.exceptions import MoneyError
from agentmeter.render.parquet import write_table
from agentmeter.report.flat import Table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo")
    demo = agentmeter("demo", cwd=path)
    assert demo.returncode == 0, demo.stderr
    return path


def total(folder: Path) -> str:
    document = json.loads(agentmeter("report", "--json", cwd=folder).stdout)
    amount: str = document["total"]["cost"]["amount"]
    return amount


def embedded(file: Path) -> dict[str, object]:
    found = re.search(r'id="value">(.*?)</script>', file.read_text("utf-8"))
    assert found is not None
    made: dict[str, object] = json.loads(found[1])["report"]
    return made


def test_a_page_in_one_file(folder: Path) -> None:
    """With the figures of the report; today's are what the demo has just cost."""
    done = agentmeter("report", "--html", "out.html", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "The page is in out.html\n")
    made = embedded(folder / "out.html")
    assert made["total"]["cost"]["amount"] == total(folder)  # type: ignore[index]
    assert made["total"]["requests"] == 3  # type: ignore[index]
    assert list(folder.glob("*.part")) == []


def test_the_page_of_one_request(folder: Path) -> None:
    """Alone in its file."""
    rows = embedded_rows(folder)
    done = agentmeter("report", "--request", rows[0][:10], "--html", "one.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert list(embedded(folder / "one.html")["trees"]["by_id"]) == [rows[0]]  # type: ignore[index]


def embedded_rows(folder: Path) -> list[str]:
    document = json.loads(agentmeter("report", "--json", cwd=folder).stdout)
    return [one["request_id"] for one in document["requests"]]


def test_the_page_with_the_margin_of_plans(folder: Path) -> None:
    """As the comparison of plans has it."""
    (folder / "plans.toml").write_text(PLANS)
    plans = ("--plans", "plans.toml")
    done = agentmeter("report", "--html", "margin.html", *plans, cwd=folder)
    assert done.returncode == 0, done.stderr
    compared = json.loads(agentmeter("plans", "compare", *plans, "--json", cwd=folder).stdout)
    assert embedded(folder / "margin.html")["margin"] == compared


def test_csv_of_requests_and_of_leaves(folder: Path) -> None:
    """Both sum to the total."""
    for args, rows in ((("--csv",), 3), (("--csv", "--leaves"), 15)):
        done = agentmeter("report", *args, cwd=folder)
        found = list(csv.DictReader(done.stdout.splitlines()))
        assert len(found) == rows
        assert sum(Decimal(row["cost"]) for row in found) == Decimal(total(folder))


def test_a_profile_for_speedscope(folder: Path) -> None:
    """To a file or to standard output; what has no profile of its own is told."""
    done = agentmeter("export", "speedscope", "-o", "cost.json", "--requests", "1", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "2 requests are only in the profile of all\n"
    profiles = json.loads((folder / "cost.json").read_text(), parse_float=Decimal)["profiles"]
    assert profiles[0]["endValue"] == Decimal(total(folder)) * 1_000_000
    assert len(profiles) == 2
    assert agentmeter("export", "speedscope", cwd=folder).stdout.startswith('{"$schema"')


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--csv", "--json"), "one of --json, --csv and --html"),
        (("--html", "x.html", "--by", "model"), "--by is shown as text or JSON"),
        (("--leaves",), "--leaves is for --csv"),
        (("--plans", "x.toml"), "--plans is for --html"),
        (("--plans", "none.toml", "--html", "x.html"), "none.toml: cannot be read as text"),
        (("--html", "none/x.html"), "none/x.html: No such file or directory; name a file"),
        (("--html", "."), "File '.' is a directory"),
    ],
)
def test_what_does_not_go_together_is_refused(
    folder: Path, args: tuple[str, ...], message: str
) -> None:
    """With what would."""
    done = agentmeter("report", *args, cwd=folder)
    assert done.returncode != 0
    assert message in done.stderr


def test_csv_is_the_reports(folder: Path) -> None:
    """The same lines on standard output, in a file, and from the report itself."""
    for more in ((), ("--leaves",)):
        expected = agentmeter("report", "--csv", *more, cwd=folder).stdout
        assert agentmeter("export", "csv", *more, cwd=folder).stdout == expected
        agentmeter("export", "csv", *more, "-o", "x.csv", cwd=folder)
        assert (folder / "x.csv").read_text() == expected


def test_parquet_has_the_figures_of_the_csv(folder: Path) -> None:
    """Every cell as in CSV, with types: decimals that sum to the report's total, integers, UTC."""
    for more in ((), ("--leaves",)):
        done = agentmeter("export", "parquet", *more, "-o", "x.parquet", cwd=folder)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        rows = list(csv.DictReader(agentmeter("export", "csv", *more, cwd=folder).stdout.splitlines()))
        made = duckdb.sql(f"SELECT * FROM '{folder / 'x.parquet'}'")
        kinds = dict(zip(made.columns, map(str, made.types), strict=True))
        assert (kinds["started_at"], kinds["tokens"], kinds["cost"][:7]) == ("TIMESTAMP", "BIGINT", "DECIMAL")
        found = [dict(zip(made.columns, row, strict=True)) for row in made.fetchall()]
        assert [row["request_id"] for row in found] == [row["request_id"] for row in rows]
        for one, said in zip(found, rows, strict=True):
            assert str(one["tokens"]) == said["tokens"]
            assert one["cost"] == (Decimal(said["cost"]) if said["cost"] else None)
            assert one["started_at"].isoformat() + "+00:00" == said["started_at"]
        assert sum(one["cost"] for one in found if one["cost"] is not None) == Decimal(total(folder))


def test_parquet_of_nothing_and_of_too_fine_amounts(tmp_path: Path) -> None:
    """An empty table has its columns; an amount that no decimal holds beside another is named."""
    from agentmeter.report.flat import request_table
    from agentmeter.report.report import Report

    write_table(request_table(Report(())), tmp_path / "x.parquet")
    assert duckdb.sql(f"SELECT count(*), count(request_id) FROM '{tmp_path / 'x.parquet'}'").fetchall() == [(0, 0)]
    table = Table(("cost",), (("1" * 30,), ("0." + "1" * 20,)))
    with pytest.raises(MoneyError, match="does not fit into 38 digits"):
        write_table(table, tmp_path / "y.parquet")
