"""What a command reads: a file or folder of records, or a table of spans in ClickHouse."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from agentmeter.exceptions import ConfigurationError

if TYPE_CHECKING:
    from agentmeter.store.clickhouse.address import Address


class SourceType(click.ParamType["Path | Address"]):
    """A path, or the address of a table; given to the command as it is."""

    name = "source"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Path | Address":
        """What was named."""
        from agentmeter.store.clickhouse.address import address, is_address

        if not isinstance(value, str):
            return cast("Path | Address", value)  # read already
        if not is_address(value):
            return Path(value)
        try:
            return address(value)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)
