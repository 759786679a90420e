"""What a shape of usage objects is: a table from its fields to meters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of counts: ``count`` is where an entry keeps its number, ``key`` what it is of.

    ``meters`` is by the key's value in capitals; without a ``key`` every entry counts towards the
    meter under ``""``. Entries of one meter add up; a key that is not in the table is left to
    the rest of its side.
    """

    count: Names
    meters: Mapping[str, str]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds, counted to the nearest whole one, half a second up."""

    meter: str


Place: TypeAlias = "str | dict[str, Place] | Listed | Seconds"
Places: TypeAlias = dict[str, Place]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of usage object counts.

    ``places`` leads from a field to the meter that it counts, gross: the field for all input
    leads to ``input``, and the reader takes the parts out of it. ``marks`` are fields of which
    any one gives the shape away. ``api`` is the interface that answers in it.
    """

    api: str
    marks: Names
    places: Places
    beside: frozenset[str] = frozenset()
    """The meters that stand beside their side's whole instead of inside it."""
    total: Names = ()
    """The total that tells whether reasoning is inside the output or beside it, where hosts of
    one shape differ; where it tells neither, ``beside`` holds."""
    remainder: str | None = None
    """The meter of what ``total`` has beyond all parts, where the provider documents it."""
    output: str = "output"
    """The meter of the output that no part claims."""
    further: Mapping[str, Names] | None = None
    """Lists of usage objects of this shape that the whole leaves out, and the ``type`` of those."""
    digits: bool = False
    """Whether counts may be digits, as in the lines of a header."""
