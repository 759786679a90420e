"""Instants and ages as people write them."""

import re
import time
from datetime import UTC, datetime

import click

_AGE = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SECOND = 1_000_000_000


class Age(click.ParamType[int]):
    """A length of time, such as ``90d`` or ``12h``, in nanoseconds."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read an age."""
        if isinstance(value, int):
            return value
        found = _AGE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no age; write 90d, 12h, 30m or 2w", param, ctx)
        return int(found[1]) * _UNITS[found[2]] * _SECOND


class Moment(click.ParamType[int]):
    """A day or an instant, in UTC where it names no zone, or how long ago; ns since the epoch."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read an instant."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if _AGE.fullmatch(text):
            return time.time_ns() - Age().convert(text, param, ctx)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is no day or instant; write 2026-11-01 or 7d", param, ctx)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        whole = int(at.replace(microsecond=0).timestamp())
        return whole * _SECOND + at.microsecond * 1000
