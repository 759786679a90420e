"""A comparison of five plans over many requests: seconds, by part, and memory.

Makes seeded rows of a month (10,000 users, three models, a heavy tail) and compares a flat fee,
tokens, pass-through, a subscription with an allowance, and a team plan on credits, with the
break-even resampling. With ``--folder`` the same requests lie in a folder as compaction leaves
them, one leaf each, and `agentmeter plans compare` is run over it, as a process of its own. Prints
processor seconds, which other work on the machine does not change much, and the peak of memory.

    python benchmarks/plans.py [REQUESTS] [--folder]
"""

import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from agentmeter.model import Owner
from agentmeter.pricing.plans import PlanBook, PricedRequest, Traffic, Use
from agentmeter.report.break_even import break_even
from agentmeter.report.compare import compare
from agentmeter.report.tail import tail
from agentmeter.store.folder import Generation, commit, entries_name, leaves_name
from agentmeter.store.leaves import LEAF_COLUMNS
from agentmeter.store.parquet import ENTRY_ROWS, LEAF_ROWS, Lines, connect, write
from agentmeter.store.rows import ENTRY_COLUMNS

T = TypeVar("T")
START = 1_793_491_200_000_000_000
MONTH = 30 * 86_400
METERS = ("cache_read", "input", "output")
PLANS = """
[[plan]]
name = "flat"
[[plan.charge]]
for = "requests"
price = "0.02"

[[plan]]
name = "tokens"
[[plan.charge]]
for = "tokens"
input = "2.50"
cached = "0.25"
output = 15

[[plan]]
name = "pass-through"
[[plan.charge]]
for = "cost"
markup = 20

[[plan]]
name = "subscription"
share_fees_by = "cost"
[[plan.fee]]
amount = 20
[[plan.charge]]
for = "requests"
allowance = 80
price = "0.04"

[[plan]]
name = "team"
account = "tenant"
minimum = 50
[[plan.fee]]
amount = 30
per = "seat"
[[plan.charge]]
for = "credits"
steps = [{up_to = 1000, price = "0.02"}, {price = "0.015"}]
[[plan.charge.weight]]
model = "*mini"
per = 1_000
tokens = "0.1"
[[plan.charge.weight]]
per = 1_000
input = "0.5"
output = 2
"""


def main() -> None:
    given = [one for one in sys.argv[1:] if one != "--folder"]
    count = int(given[0]) if given else 1_000_000
    if "--folder" in sys.argv:
        in_folder(count)
        return
    rows, making = timed(lambda: made(count))
    gc.disable()
    book = PlanBook.from_text(PLANS)
    traffic, columns = timed(lambda: prepared(rows))
    before = peak()
    compared, comparing = timed(lambda: compare(traffic, book, random.Random(1)))
    _, alone = timed(lambda: (tail(traffic), break_even(traffic, random.Random(1))))
    assert compared.requests == count
    invoices = sum(one.margin.invoices for one in compared.plans)
    print(f"{count:,} requests, five plans, {invoices:,} invoices")
    print(f"making rows       {making:6.1f} s")
    print(f"columns           {columns:6.1f} s")
    print(f"comparison        {comparing:6.1f} s  ({alone:.1f} s of it tail and break-even)")
    print(f"memory            {peak():6.0f} MB, {before:.0f} MB of it before the comparison")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def prepared(rows: list[PricedRequest]) -> Traffic:
    traffic = Traffic(rows)
    traffic.classes(())
    assert len(traffic.costs) == len(traffic.tokens) == len(rows)
    return traffic


def made(count: int) -> list[PricedRequest]:
    return list(rows_of(count))


def rows_of(count: int) -> Iterator[PricedRequest]:
    rng = random.Random(7)
    owners = [
        Owner(f"u-{n}", f"t-{n % 500}", rng.choice(("chat", "research")), "flat")
        for n in range(10_000)
    ]
    return (row(rng, owners, n, count) for n in range(count))


def row(rng: random.Random, owners: list[Owner], number: int, count: int) -> PricedRequest:
    size = int(500 * rng.paretovariate(1.3))
    counts = (rng.randrange(2 * size), size, rng.randrange(100, 2000))
    cost = Decimal(counts[0] * 125 + counts[1] * 1250 + counts[2] * 10_000).scaleb(-9)
    model = ("gpt-5", "gpt-5-mini", "claude-sonnet-4")[number % 3]
    started = START + number * MONTH * 1_000_000_000 // count
    use = Use(model, METERS, counts, cost)
    return PricedRequest(
        f"{number:032x}", owners[rng.randrange(10_000)], started, "ask", uses=(use,)
    )


# -- a folder --------------------------------------------------------------------------------------


def in_folder(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "plans.toml").write_text(PLANS)
        fill(folder / "records", count)
        command = [sys.executable, "-m", "agentmeter.cli", "plans", "compare"]
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*command, str(folder / "records"), "--plans", str(folder / "plans.toml")], check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{count:,} requests in Parquet, five plans, the whole command")
    print(f"processor         {seconds:6.1f} s in {time.monotonic() - start:.1f} s")
    print(f"memory            {after.ru_maxrss / 1024:6.0f} MB")


def fill(folder: Path, count: int) -> None:
    """Leaves as compaction writes them; entries without what they said, which nobody reads here."""
    folder.mkdir()
    leaves, entries = folder / leaves_name("made"), folder / entries_name("made")
    with connect(folder) as connection:
        with Lines(folder / "leaves.json") as lines:
            for one in rows_of(count):
                lines.put(leaf(one))
        write(connection, lines.select(LEAF_COLUMNS), leaves, "request_id, started_ns", LEAF_ROWS)
        blank = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in ENTRY_COLUMNS.items())
        write(connection, f"(SELECT {blank} LIMIT 0)", entries, "request_id", ENTRY_ROWS)
    lines.file.unlink()
    commit(
        folder,
        Generation(
            name="made",
            sequence=1,
            entries=0,
            leaves=count,
            digest="0",
            meters=METERS,
            currencies=("USD",),
            shared=False,
        ),
    )


def leaf(one: PricedRequest) -> dict[str, object]:
    (use,) = one.uses
    counts = zip(use.meters, use.counts, strict=True)
    owner = one.owner
    return {
        "leaf": True,
        "request_id": one.request_id,
        "request_name": one.name,
        "request_status": one.status.value,
        "request_started_ns": one.started_ns,
        "lower_bound": not one.complete,
        "user": owner.user,
        "tenant": owner.tenant,
        "feature": owner.feature,
        "plan": owner.plan,
        "scope_id": one.request_id[16:],
        "name": use.model,
        "started_ns": one.started_ns,
        "model": use.model,
        "priced_model": use.model,
        "charge": False,
        "calls": 1,
        "partial": False,
        "firsts": 2047,
        "tokens": sum(use.counts),
        **{f"m_{meter}": quantity for meter, quantity in counts if quantity},
        "currency": "USD",
        "cost": str(use.cost),
    }


if __name__ == "__main__":
    main()
