"""Files that are damaged, foreign or of another shape: named, and everything else kept."""

from pathlib import Path

import duckdb
import pytest
from tests.cli.test_commands import agentmeter
from tests.store.folders import PRICER, compacted, journal

from agentmeter.exceptions import SourceError
from agentmeter.model import Call, Kind, Money, Owner, Record
from agentmeter.store.engine import Embedded
from agentmeter.store.parquet import connect
from agentmeter.store.reader import read
from agentmeter.store.rollup import rollup


def charged(number: int) -> list[Record]:
    call = Call(charge=Money("1"))
    ids = (f"{number:032x}", f"{number:016x}", None)
    return [Record(*ids, Kind.CALL, "c", Owner("u"), number, number + 1, call=call)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A compacted call, and one in a journal."""
    journal(tmp_path, charged(1))
    compacted(tmp_path)
    journal(tmp_path, charged(2))
    return tmp_path


def seen(folder: Path) -> tuple[int, int, list[str], list[str]]:
    """Entries of a report and calls of a roll-up, with what each says could not be read."""
    contents = read(folder)
    with Embedded(folder, PRICER) as store:
        calls = sum(row.calls for row in rollup(store, "user"))
        return len(contents.entries), calls, contents.problems, list(store.problems)


def test_a_truncated_file_is_named_and_the_rest_kept(folder: Path) -> None:
    """Entries cut short: the journal beside them is reported."""
    (file,) = folder.glob("*.entries.parquet")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    entries, calls, said, told = seen(folder)
    assert (entries, calls) == (1, 1)
    assert said[0].startswith(f"{file}: cannot be read as Parquet")
    assert told[0].startswith(f"{file}: cannot be read as Parquet")


def test_a_file_with_a_flipped_byte_is_named(folder: Path) -> None:
    """Damage inside: nothing is made up, and the journal beside it is reported."""
    (file,) = folder.glob("*.entries.parquet")
    data = bytearray(file.read_bytes())
    for place in range(40, 400):
        data[place] ^= 0x5A
    file.write_bytes(data)
    contents = read(folder)
    assert f"{2:032x}" in {one.request_id for one in contents.entries}
    assert any(str(file) in problem for problem in contents.problems)


def test_lost_leaves_are_made_again_from_the_entries(folder: Path) -> None:
    """Leaves that are damaged or gone cost nothing: they are resolved again, and that is said."""
    (file,) = folder.glob("*.leaves.parquet")
    file.write_bytes(b"PAR1 not really")
    entries, calls, said, told = seen(folder)
    assert (entries, calls, said) == (2, 2, [])
    assert told[0].endswith("; resolved again from its entries")
    file.unlink()
    assert seen(folder)[1] == 2


def test_parquet_of_another_schema_is_named_with_the_column(folder: Path) -> None:
    """The first column that is not as it should be, and what it is instead."""
    (file,) = folder.glob("*.entries.parquet")
    duckdb.sql("SELECT 1 AS request_id, 'x' AS entry").write_parquet(str(file))
    entries, calls, said, _ = seen(folder)
    assert (entries, calls) == (1, 1)
    assert said == [
        f"{file}: Parquet of another schema: column 'request_id' should be VARCHAR and is INTEGER"
    ]


def test_a_strangers_parquet_is_named_and_left(folder: Path) -> None:
    """A file that no manifest goes with is no record of ours; compaction does not touch it."""
    stranger = folder / "sales.parquet"
    duckdb.sql("SELECT 1 AS a").write_parquet(str(stranger))
    entries, calls, said, told = seen(folder)
    assert (entries, calls) == (2, 2)
    assert said == told == [f"{stranger}: Parquet that agentmeter did not write; not read"]
    compacted(folder)
    assert stranger.exists()


def test_a_file_of_ours_can_be_read_by_itself(folder: Path) -> None:
    """One Parquet file of entries is a source, and any other Parquet is refused with a reason."""
    (file,) = folder.glob("*.entries.parquet")
    assert len(read(file).entries) == 1
    (other,) = folder.glob("*.leaves.parquet")
    with pytest.raises(SourceError, match="Parquet of another schema: column 'entry'"):
        read(other)


def test_a_broken_manifest_is_named_and_its_files_are_left(folder: Path) -> None:
    """Half of a manifest: the files that it claims are neither read nor removed."""
    (manifest,) = folder.glob("*.manifest")
    manifest.write_bytes(manifest.read_bytes()[:20])
    entries, calls, said, _ = seen(folder)
    assert (entries, calls) == (1, 1)
    assert said[0].startswith(f"{manifest}: a manifest that cannot be read")
    compacted(folder)
    assert len(list(folder.glob("*.entries.parquet"))) == 2


def test_the_commands_say_it_and_go_on(folder: Path) -> None:
    """From the command line: the figures on standard output, what is wrong on the other.

    The request of a call alone has no end on record, so that its cost is a lower bound.
    """
    (file,) = folder.glob("*.entries.parquet")
    file.write_bytes(b"")
    shown = agentmeter("top", str(folder), "--by", "user", cwd=folder)
    assert shown.returncode == 0
    assert "cannot be read as Parquet" in shown.stderr
    assert shown.stdout.splitlines()[1].split() == ["u", "1", "1", "0", "≥", "$1.000000", "-"]


def test_duckdb_draws_no_bar_into_the_output() -> None:
    """Its own progress goes to standard output, where figures and JSON are."""
    with connect() as connection:
        shown = connection.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    assert shown == (False,)


def test_commands_of_a_life(tmp_path: Path) -> None:
    """Demo, compact, roll-ups, prune and erase, as a person runs them."""
    assert agentmeter("demo", cwd=tmp_path).returncode == 0
    before = agentmeter("report", "--json", cwd=tmp_path).stdout
    said = agentmeter("compact", cwd=tmp_path)
    assert "1 journals with" in said.stdout, said.stderr
    assert agentmeter("compact", cwd=tmp_path).stdout == "nothing to compact\n"
    assert agentmeter("report", "--json", cwd=tmp_path).stdout == before
    top = agentmeter("top", "--by", "feature", "--limit", "1", cwd=tmp_path).stdout
    assert top.splitlines()[1].split()[:3] == ["research", "1", "12"]
    spread = agentmeter("report", "--distribution", cwd=tmp_path).stdout
    assert spread.splitlines()[-2].split()[:2] == ["3", "requests"]
    origin = agentmeter("report", "--by", "origin", cwd=tmp_path).stdout
    assert origin.splitlines()[1].split()[0] == "user"
    dear = agentmeter("report", "--by", "user", "--where", "cost>0.01", cwd=tmp_path).stdout
    assert [line.split()[0] for line in dear.splitlines()[1:]] == ["u-2"]
    wrong = agentmeter("report", "--where", "price=3", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "no field 'price'" in wrong.stderr
    erased = agentmeter("erase", "--user", "u-2", cwd=tmp_path)
    assert (erased.returncode, erased.stderr) == (0, "")
    assert "u-2" not in agentmeter("report", cwd=tmp_path).stdout
    kept = agentmeter("prune", "--older-than", "1d", cwd=tmp_path).stdout
    assert kept == "0 requests with 0 entries removed\n"
    gone = agentmeter("prune", "--older-than", "0s", "--dry-run", cwd=tmp_path).stdout
    assert gone.startswith("3 requests with")
