"""Folded records: each stands for calls that a ledger has let go of."""

from agentmeter.model import OURS, Record, Status

FOLDED = "folded"
"""The attribute that says how many scopes a folded record stands for."""

REFUSED = "refused"
"""The attribute that says how many calls that budgets refused a folded record stands for."""

LEAVES = "leaves"
"""The attribute that says how many leaves that others have seen a folded record stands for."""

FOLDER = OURS + ".folded"
"""The observer of folded records; a scope of the application's may have any attribute."""

OTHERS_FOLDER = "others.folded"
"""The observer of folded records of calls that other instrumentations alone have seen."""


def is_folded(record: Record) -> bool:
    """Whether a record stands for others."""
    return record.observer in (FOLDER, OTHERS_FOLDER)


def folded_scopes(record: Record) -> int:
    """How many scopes a folded record stands for; none for any other record."""
    return int(record.attributes.get(FOLDED, 0)) if is_folded(record) else 0


def leaves(record: Record) -> int:
    """How many leaves a record of one stands for."""
    return int(record.attributes.get(LEAVES, 1)) if is_folded(record) else 1


def refused_by(record: Record) -> int:
    """How many calls that a budget had no room for a record stands for."""
    if record.status is not Status.REFUSED:
        return 0
    return int(record.attributes.get(REFUSED, 1)) if is_folded(record) else 1
