"""Model names of bills and of records: which of them mean the same model."""

import re
from collections.abc import Iterable

_DATE = re.compile(r"[-@_](20\d\d-?\d\d-?\d\d|latest)$")
_VERSION = re.compile(r"(-v\d+(:\d+)?(:\d+k)?)$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PART = re.compile(r"\d+(?:\.\d+)*(?:[a-z](?![a-z]))?|[a-z]+")


def undated(model: str) -> str:
    """A model id without what names its maker, its day and its revision."""
    name = _CAMEL.sub("-", model.strip()).lower().rpartition("/")[2]
    name = re.sub(r"^([a-z-]+\.)+(?=[a-z])", "", name)
    return _DATE.sub("", _VERSION.sub("", name))


def family(model: str) -> tuple[str, ...]:
    """The words and numbers of a model's name in a fixed order.

    ``USE1-Claude4.6Sonnet`` and ``anthropic.claude-sonnet-4-6-20260101-v1:0`` say the same.
    """
    name = re.sub(r"(?<=\d)-(?=\d)", ".", undated(model))
    return tuple(sorted(_PART.findall(name)))


def paired(billed: Iterable[str], metered: Iterable[str]) -> dict[str, str]:
    """Metered name → billed name: the same one, else one of the same family that no other has."""
    open_names = {name.lower(): name for name in billed}
    found: dict[str, str] = {}
    rest = []
    for name in sorted(set(metered)):
        same = open_names.pop(name.lower(), None)
        if same is None:
            rest.append(name)
        else:
            found[name] = same
    for name in rest:
        kin = [other for other in open_names.values() if family(other) == family(name)]
        if len(kin) == 1:
            found[name] = kin[0]
    return found
