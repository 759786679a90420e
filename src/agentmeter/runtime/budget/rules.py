"""Rules as people write them, in ``pyproject.toml``:

[[tool.agentmeter.budget]]
by = "user"                  # or tenant, feature, plan, "tag:team", all
per = "day"                  # hour, day, week, month, year, ever; UTC
usd = "5.00"                 # and, or: tokens = 2_000_000, calls = 500
where = { plan = "free" }    # optional: only requests with these owner fields
action = "clamp"             # optional: raise, clamp, warn; to ask takes a callable, in code
unknown = "refuse"           # optional: calls whose worst case is not known; else allow
name = "free plan"           # optional
"""

from collections.abc import Mapping
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.pricing.tables import TableReader
from agentmeter.runtime.budget.value import BudgetRule

TABLE = "tool.agentmeter.budget"
_FIELDS = tuple(name for name in BudgetRule.__dataclass_fields__ if name != "ask")


def read_rules(text: str, name: str) -> tuple[BudgetRule, ...]:
    """The rules of a file; ``ConfigurationError`` names it, the line and the field."""
    reader, data = TableReader.of_text(text, name)
    found = data.get("tool", {}).get("agentmeter", {}).get("budget", [])
    tables = reader.tables({TABLE: found}, TABLE)
    return tuple(_rule(reader, table, line) for line, table in tables)


def _rule(reader: TableReader, table: Mapping[str, Any], line: int) -> BudgetRule:
    reader.only(table, _FIELDS, line)
    for field in ("by", "per"):
        reader.needed(table, field, line, "user" if field == "by" else "day")
    if table.get("action") == "ask":
        reader.fail(line, "action", "a callable is needed to ask; give such a rule in code")
    try:
        return BudgetRule(**table)
    except (ConfigurationError, TypeError) as error:
        field, _, problem = str(error).partition(": ")
        reader.fail(line, field, problem)
