"""A comparison of five plans over many requests: seconds, by part, and memory.

Makes seeded rows of a month (10,000 users, three models, a heavy tail) and compares a flat fee,
tokens, pass-through, a subscription with an allowance, and a team plan on credits, with the
break-even resampling. Prints processor seconds, which other work on the machine does not change
much, and the peak of memory.

    python benchmarks/plans.py [REQUESTS]
"""

import gc
import random
import resource
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from agentmeter.model import Owner
from agentmeter.pricing.plans import PlanBook, PricedRequest, Traffic, Use
from agentmeter.report.break_even import break_even
from agentmeter.report.compare import compare
from agentmeter.report.tail import tail

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
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
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
    rng = random.Random(7)
    owners = [
        Owner(f"u-{n}", f"t-{n % 500}", rng.choice(("chat", "research")), "flat")
        for n in range(10_000)
    ]
    return [row(rng, owners, n, count) for n in range(count)]


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


if __name__ == "__main__":
    main()
