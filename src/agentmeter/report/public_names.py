"""Public names in TOML: what users may see of what the code calls otherwise.

[public_names]
"serpapi.search" = "Web search"
plan = "Planning"
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.pricing.tables import TableReader

TABLE = "public_names"


def names_from_file(path: str | Path) -> dict[str, str]:
    """The names in a file. Raises ``ConfigurationError`` with file and field."""
    reader, data = TableReader.of_file(path)
    if not isinstance(data.get(TABLE), Mapping):
        reader.fail(0, TABLE, f'write [{TABLE}] and names below it, such as search = "Web search"')
    return checked_names(data[TABLE], str(path))


def checked_names(names: Mapping[Any, Any], source: str = TABLE) -> dict[str, str]:
    """Names that are text on both sides. Raises ``ConfigurationError``."""
    for name, public in names.items():
        if not isinstance(name, str) or not isinstance(public, str) or not public.strip():
            raise ConfigurationError(
                f"{source}: {name!r}: expected the text that users may see, got {public!r}"
            )
    return dict(names)
