"""What commands write to standard output."""

import sys

import orjson


def write_json(value: object) -> None:
    """A value as indented JSON, in UTF-8 whatever the locale."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
