"""What a price costs: one call in Python beside genai-prices, ten million calls in SQL.

A call is priced from a tariff that is cached, as a closing scope does it (the amount) and as a
report does it (the lines); genai-prices' ``calc_price`` prices the same usage in the same run. Then
calls are made inside DuckDB, priced in SQL by the tariffs of several models, and summed by model;
beside it a plain sum over the same table. The first thousand calls are checked against Python.

    python benchmarks/pricing.py [CALLS]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from agentmeter.model import Usage
from agentmeter.pricing import Cached, GenAIPrices, PriceKey, Tariff, price
from agentmeter.pricing.cost import amount
from agentmeter.store.pricing import load

MODELS = (
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-v4-flash"),
)
AT = 1_760_000_000_000_000_000
USAGE = Usage(input=2400, cache_read=1800, output=420)
MAKE = """
CREATE TABLE calls AS
WITH made AS (
    SELECT
        range AS call_id,
        1760000000000000000 + range * 2592000000 AS at_ns,
        1 + hash(range) % 9000 AS input,
        hash(range + 1) % 250000 AS cache_read,
        1 + hash(range + 2) % 2000 AS output,
        list_extract(?, 1 + CAST(hash(range + 3) % ? AS BIGINT)) AS tariff
    FROM range(?)
)
SELECT
    call_id, meter, CAST(quantity AS BIGINT) AS quantity, at_ns,
    CAST(input + cache_read AS BIGINT) AS total_input, tariff, CAST(NULL AS VARCHAR) AS unpriced
FROM (
    SELECT call_id, at_ns, input, cache_read, tariff,
        unnest(['input', 'cache_read', 'output']) AS meter,
        unnest([input, cache_read, output]) AS quantity
    FROM made
)
"""
PRICED = "SELECT currency, sum(amount), count(*) FROM lines GROUP BY currency"
SUMMED = "SELECT tariff, sum(quantity), count(*) FROM calls GROUP BY tariff"
ONE_BY_ONE = """
SELECT call_id, sum(amount) FROM lines WHERE call_id < 1000 GROUP BY call_id ORDER BY call_id
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    one_call()
    with tempfile.TemporaryDirectory() as folder:
        many_calls(Path(folder), count)


def one_call() -> None:
    pricer = Cached(GenAIPrices())
    key = PriceKey("openai", "gpt-5")
    tariff = pricer.tariff(key)
    assert isinstance(tariff, Tariff)

    def live() -> Decimal | None:
        known = pricer.tariff(key)
        assert isinstance(known, Tariff)
        return amount(USAGE, known.quote(AT, USAGE.total_input))

    def reported() -> Decimal:
        return price(USAGE, tariff.quote(AT, USAGE.total_input)).amount

    theirs = TheirUsage(
        input_tokens=USAGE.total_input, cache_read_tokens=1800, output_tokens=USAGE.total_output
    )
    when = datetime.fromtimestamp(AT / 1e9, UTC)

    def their_price() -> Decimal:
        found = calc_price(
            theirs, model_ref="gpt-5", provider_id="openai", genai_request_timestamp=when
        )
        return found.total_price

    assert live() == reported() == their_price()
    ours = each(live)
    for name, seconds in (
        ("a call, its amount", ours),
        ("a call, its lines", each(reported)),
        ("genai-prices calc_price", each(their_price)),
    ):
        print(f"{name:26}{seconds * 1e6:9.2f} us {seconds / ours:9.2f} of our amount")


def each(work: Callable[[], object], times: int = 20_000) -> float:
    """Seconds of one, the best of five."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times // 5):
            work()
        best = min(best, (time.perf_counter() - start) / (times // 5))
    return best


def many_calls(folder: Path, count: int) -> None:
    found = [GenAIPrices().tariff(PriceKey(*name)) for name in MODELS]
    tariffs = [tariff for tariff in found if isinstance(tariff, Tariff)]
    connection = duckdb.connect(folder / "calls.duckdb", config={"memory_limit": "1500MB"})
    digests = [tariff.digest for tariff in tariffs]
    connection.execute(MAKE, [digests, len(digests), count])
    scale = load(connection, tariffs)
    agrees(connection, tariffs)
    plain_sum = best_of(lambda: connection.sql(SUMMED).fetchall())
    priced = best_of(lambda: connection.sql(PRICED).fetchall())
    ((_, total, lines),) = connection.sql(PRICED).fetchall()
    connection.close()
    print(
        f"{count:,} calls, {lines:,} lines, {total} USD at {scale} decimals, {len(tariffs)} models"
    )
    print(f"{'summed plainly':26}{plain_sum:9.2f} s")
    print(f"{'priced in SQL':26}{priced:9.2f} s {priced / plain_sum:9.2f} of the plain sum")


def agrees(connection: duckdb.DuckDBPyConnection, tariffs: list[Tariff]) -> None:
    known = {tariff.digest: tariff for tariff in tariffs}
    calls: dict[int, tuple[Tariff, int, dict[str, int]]] = {}
    query = "SELECT call_id, meter, quantity, at_ns, tariff FROM calls WHERE call_id < 1000"
    for call_id, meter, quantity, at, digest in connection.sql(query).fetchall():
        calls.setdefault(call_id, (known[digest], at, {}))[2][meter] = quantity
    for call_id, summed in connection.sql(ONE_BY_ONE).fetchall():
        tariff, at, quantities = calls[call_id]
        usage = Usage(quantities)
        assert price(usage, tariff.quote(at, usage.total_input)).amount == summed, call_id


def best_of(work: Callable[[], object], times: int = 3) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
