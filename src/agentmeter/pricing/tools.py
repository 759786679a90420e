"""Tools by rate card: what the application charges by quantity, searches, pages, vector reads.

[[tool]]
name = "serpapi.search"      # what charge("serpapi.search", quantity=3) names
per = 1_000                  # units that the price is for, a power of ten; 1 where left out
price = "5.00"
minimum = 10                 # optional: the smallest quantity billed
from = 2026-01-01            # optional; until as well, exclusive
source = "serpapi.com"       # optional

All tools of a card are one tariff, so that it is cached and journalled once.
"""

from collections.abc import Mapping
from typing import Any

from agentmeter.exceptions import UsageError
from agentmeter.model.meters import meter
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.tables import TableReader
from agentmeter.pricing.tariff import Rate

_FIELDS = ("name", "per", "price", "minimum", "from", "until", "source")


def tool_rate(reader: TableReader, table: Mapping[str, Any], line: int) -> Rate:
    """One ``[[tool]]`` table as a row of the tools' tariff."""
    reader.only(table, _FIELDS, line)
    name = reader.needed(table, "name", line, "serpapi.search")
    try:
        meter(name)
    except UsageError as error:
        reader.fail(line, "name", str(error))
    if "price" not in table:
        reader.fail(line, "price", "a price such as '5.00' is needed")
    price = reader.price("price", table["price"], line)
    from_ns, until_ns = reader.period(table, line)
    return Rate(
        meter=name,
        price=CONTEXT.scaleb(price, -reader.tens(table, line, 1)),
        source=reader.text(table, "source", line) or reader.name,
        from_ns=from_ns,
        until_ns=until_ns,
        minimum=reader.whole(table, "minimum", line),
    )
