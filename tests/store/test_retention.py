"""Retention by age and erasure by user: whole, exact in money, and honest about what is left."""

import fcntl
from pathlib import Path

import duckdb
import orjson
import pytest
from tests.store.folders import PRICER, compacted, journal
from tests.store.test_foreign import document, span

from agentmeter.exceptions import SourceError
from agentmeter.model import Amendment, Call, Entry, Kind, Money, Owner, Record, Usage
from agentmeter.pricing import PriceKey, Tariff
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import Report, RequestReport, build, walk
from agentmeter.store.engine import Embedded
from agentmeter.store.folder import holdings
from agentmeter.store.reader import read
from agentmeter.store.retention import erase, prune
from agentmeter.store.rollup import rollup

DAY = 86_400 * 10**9
GPT = PRICER.tariff(PriceKey("openai", "gpt-5"))
MINI = PRICER.tariff(PriceKey("openai", "gpt-5-mini"))
assert isinstance(GPT, Tariff)
assert isinstance(MINI, Tariff)


def asked(number: int, day: int, user: str, tariff: Tariff = GPT, **tags: str) -> list[Entry]:
    """A request of one call of a million tokens, and a charge of a dollar."""
    request, at = f"{number:032x}", day * DAY
    owner = Owner(user, "acme", tags=tags)
    model = str(tariff.key.model)
    used = Call("openai", model, usage=Usage(input=1_000_000), tariff=tariff.digest)
    charged = Call(charge=Money("1"))
    root = f"{number:015x}0"
    return [
        Record(request, root, None, Kind.REQUEST, "ask", owner, at, at + 9),
        Record(request, f"{number:015x}1", root, Kind.CALL, model, owner, at, at + 5, call=used),
        Record(request, f"{number:015x}2", root, Kind.CALL, "search", owner, at, at + 5, call=charged),
    ]  # fmt: skip


def tariffs(*known: Tariff) -> dict[str, Tariff]:
    return {tariff.digest: tariff for tariff in known}


def report(folder: Path) -> Report:
    contents = read(folder)
    return build(*priced_now(contents.entries, contents.tariffs, PRICER))


def by_user(folder: Path) -> dict[str, str]:
    """Amounts by user, from the report and from the roll-up, which have to be the same."""
    with Embedded(folder, PRICER) as store:
        found = {row.key: f"{row.amounts['USD'].normalize():f}" for row in rollup(store, "user")}
    parts = report(folder)
    shown: dict[str, str] = {}
    for one in [*parts.requests, *([parts.unattributed] if parts.unattributed else [])]:
        user = one.view.owner.user or "-"
        before = Money(shown.get(user, "0"))
        total = before + Money(one.amounts["USD"])
        shown[user] = f"{total.amount.normalize():f}"
    assert found == shown
    return found


def texts(folder: Path) -> bytes:
    """All that lies in a folder, Parquet unpacked."""
    found = [file.read_bytes() for file in folder.iterdir() if file.is_file()]
    for file in folder.glob("*.parquet"):
        rows = duckdb.sql(f"SELECT * FROM '{file}'").fetchall()
        found.append(repr(rows).encode())
    return b"".join(found)


def test_old_requests_go_whole_and_tariffs_that_are_named_stay(tmp_path: Path) -> None:
    """What ended before goes, a request with one later entry stays; so does its tariff."""
    late = Amendment("c" * 16, f"{2:032x}", f"{2:015x}1", 50 * DAY)
    journal(tmp_path, [*asked(1, 1, "a", MINI), *asked(2, 1, "b")], tariffs(GPT, MINI))
    compacted(tmp_path)
    journal(tmp_path, [late, *asked(3, 40, "c")], tariffs(GPT))
    compacted(tmp_path)
    assert by_user(tmp_path) == {"a": "1.25", "b": "2.25", "c": "2.25"}
    would = prune(tmp_path, 30 * DAY, PRICER, dry_run=True)
    assert (would.requests, would.entries) == (1, 3)
    assert len(report(tmp_path).requests) == 3
    done = prune(tmp_path, 30 * DAY, PRICER)
    assert (done.requests, done.entries) == (1, 3)
    assert by_user(tmp_path) == {"b": "2.25", "c": "2.25"}
    assert set(read(tmp_path).tariffs) == {GPT.digest}
    assert prune(tmp_path, 30 * DAY, PRICER).entries == 0


def test_everything_old_leaves_an_empty_store(tmp_path: Path) -> None:
    """Nothing is left of it, and the folder is still good for more."""
    journal(tmp_path, asked(1, 1, "a"), tariffs(GPT))
    assert prune(tmp_path, 30 * DAY, PRICER).requests == 1
    assert by_user(tmp_path) == {}
    journal(tmp_path, asked(2, 40, "b"), tariffs(GPT))
    assert by_user(tmp_path) == {"b": "2.25"}


def test_shared_and_stray_work_goes_with_its_age(tmp_path: Path) -> None:
    """Shared work stays while one that shares it does; a stray call goes by itself."""
    work = Record("d" * 32, "d" * 16, None, Kind.CALL, "batch", Owner(), DAY, DAY + 1,
                  call=Call(charge=Money("3")), shares={f"{1:032x}": 1, f"{2:032x}": 2})  # fmt: skip
    stray = [
        Record("unattributed", f"{n:016x}", None, Kind.CALL, "stray", Owner(), n * DAY, n * DAY + 1,
               call=Call(charge=Money("5")))
        for n in (1, 60)
    ]  # fmt: skip
    journal(tmp_path, [*asked(1, 1, "a"), work, *stray], tariffs(GPT))
    compacted(tmp_path)
    journal(tmp_path, asked(2, 40, "b"), tariffs(GPT))
    assert prune(tmp_path, 30 * DAY, PRICER).entries == 4
    assert by_user(tmp_path)["b"] == "4.25"
    assert by_user(tmp_path)["-"] == "6"  # the stray call of day 60, and a share that none owns


def test_a_request_that_an_open_journal_tells_of_stays(tmp_path: Path) -> None:
    """Old work that is still written to is not old."""
    journal(tmp_path, asked(1, 1, "a"), tariffs(GPT))
    compacted(tmp_path)
    live = journal(tmp_path, [Amendment("c" * 16, f"{1:032x}", f"{1:015x}1", 2 * DAY)])
    with live.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert prune(tmp_path, 30 * DAY, PRICER).entries == 0
        assert live.exists()
    assert by_user(tmp_path) == {"a": "2.25"}


@pytest.mark.parametrize("user", ["u-17", "Ünal \"'%_", "gpt-5"])
def test_erasure_keeps_the_money_and_nothing_of_the_name(user: str, tmp_path: Path) -> None:
    """Owner, tags, foreign attributes and torn lines: the name is nowhere, every total is equal."""
    torn = b'{"resourceSpans":[{"torn":' + orjson.dumps(user)
    theirs = span(5, user__id=user, gen_ai__request__model="gpt-5")
    journal(tmp_path, [*asked(1, 1, user, account=user), *asked(2, 2, "b")], tariffs(GPT))
    compacted(tmp_path)
    late = Record(f"{1:032x}", "f" * 16, f"{1:015x}0", Kind.CALL, "late", Owner(user), DAY, DAY + 1,
                  call=Call(charge=Money("1")))  # fmt: skip
    journal(tmp_path, [late])
    journal(tmp_path, []).write_bytes(document(theirs).encode() + b"\n" + torn + b"\n")
    before = report(tmp_path)
    done = erase(tmp_path, user, PRICER)
    assert (done.requests, done.left) == (2, ())
    if user != "gpt-5":
        assert user.encode() not in texts(tmp_path)
        assert user not in texts(tmp_path).decode("utf-8", "replace")
    after = report(tmp_path)
    assert after.amounts == before.amounts
    assert after.usage == before.usage
    users = {one.request_id: one.view.owner.user for one in after.requests}
    marker = users[f"{1:032x}"]
    assert marker is not None
    assert marker.startswith("erased-")
    assert users == {f"{1:032x}": marker, f"{2:032x}": "b", "a" * 32: marker}
    assert after.requests[0].view.owner.tags == {"account": marker}
    assert {call for one in after.requests for call in _models(one)} == {"gpt-5"}
    assert set(by_user(tmp_path)) == {marker, "b"}
    if user != "gpt-5":
        assert erase(tmp_path, user, PRICER).entries == 0


def _models(one: RequestReport) -> set[str]:
    calls = [scope.record.call for scope in walk(one.tree)]
    return {call.model for call in calls if call is not None and call.model}


def test_dropping_takes_the_cost_out_as_well(tmp_path: Path) -> None:
    """The user's requests are gone from every total; the others are as they were."""
    journal(tmp_path, [*asked(1, 1, "a"), *asked(2, 2, "b")], tariffs(GPT))
    assert erase(tmp_path, "a", PRICER, drop=True).requests == 1
    assert by_user(tmp_path) == {"b": "2.25"}
    assert len(read(tmp_path).entries) == 3


def test_open_journals_that_name_the_user_are_said(tmp_path: Path) -> None:
    """What a process still writes to cannot be rewritten, and is named; others are not."""
    other = journal(tmp_path, asked(3, 1, "b"), tariffs(GPT))
    live = journal(tmp_path, asked(1, 1, "a"), tariffs(GPT))
    with live.open("rb") as one, other.open("rb") as two:
        fcntl.flock(one, fcntl.LOCK_SH)
        fcntl.flock(two, fcntl.LOCK_SH)
        assert erase(tmp_path, "a", PRICER).left == (live,)
    assert erase(tmp_path, "a", PRICER).left == ()


def test_nothing_is_rewritten_where_a_part_cannot_be_read(tmp_path: Path) -> None:
    """An erasure that could not see everything is refused; the files are as they were."""
    journal(tmp_path, asked(1, 1, "a"), tariffs(GPT))
    compacted(tmp_path)
    (file,) = tmp_path.glob("*.entries.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    held = holdings(tmp_path).generations
    with pytest.raises(SourceError, match="nothing was changed"):
        erase(tmp_path, "a", PRICER)
    assert holdings(tmp_path).generations == held


@pytest.mark.parametrize("together", [1, 4_000, 10**9])
def test_a_large_store_is_rewritten_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """However many parts the ids are cut into, what stays is what stood there, in their order."""
    for number in range(56):
        journal(tmp_path, asked(number << 122, 1 + number, f"u-{number % 7}"), tariffs(GPT))
    compacted(tmp_path)
    before = by_user(tmp_path)
    monkeypatch.setattr("agentmeter.store.shelves._TOGETHER", together)
    done = erase(tmp_path, "u-3", PRICER)
    gone = erase(tmp_path, "u-4", PRICER, drop=True)
    assert (done.requests, gone.requests) == (8, 8)
    after = by_user(tmp_path)
    assert sum(map(float, after.values())) == sum(map(float, before.values())) - 8 * 2.25
    assert {user: after[user] for user in after if user in before} == {
        user: amount for user, amount in before.items() if user not in ("u-3", "u-4")
    }
    (entries,) = tmp_path.glob("*.entries.parquet")
    ids = duckdb.sql(f"SELECT request_id FROM '{entries}'").fetchall()
    assert ids == sorted(ids)
