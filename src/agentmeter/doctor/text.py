"""An examination as plain text, the worst first."""

from collections.abc import Mapping

from agentmeter.doctor.examination import Examination
from agentmeter.doctor.libraries import Library, bounds
from agentmeter.doctor.seen import Model
from agentmeter.report.table import table
from agentmeter.report.text import shown
from agentmeter.runtime.naming import INTEGRATIONS_VARIABLE
from agentmeter.runtime.settings import DEFAULT


def text(one: Examination) -> str:
    """All that was found."""
    parts = [
        _verdict(one),
        _libraries(one),
        _models(one),
        _journal(one),
        _faults(one),
        _settings(one),
    ]
    return "\n\n".join(part for part in parts if part)


def _verdict(one: Examination) -> str:
    lines = [f"agentmeter {one.version}: {_head(one)}"]
    lines.extend(f"  {library.library}: {library.risk}" for library in one.could_lose)
    lines.extend(f"  {shown(told)}" for told in (*one.lost, *one.settled.problems))
    if one.unpriced:
        models = ", ".join(shown(each.model or each.provider or "-") for each in one.unpriced)
        lines.append(f"not priced in full: calls of {models}")
    return "\n".join(lines)


def _head(one: Examination) -> str:
    if one.could_lose or one.lost:
        return "tokens could be lost"
    if one.settled.problems:
        return "what is set and cannot be used is left out"
    return "nothing was found that could lose tokens"


def _libraries(one: Examination) -> str:
    if not one.libraries:
        return "no library that calls models is installed"
    rows: list[tuple[str, ...]] = [("library", "version", "metered", "tested", "also metered by")]
    rows.extend(map(_row, one.libraries))
    lines = [table(rows, right=())]
    lines.extend(f"  {each.library}: {each.note}" for each in one.libraries if each.note)
    if any(each.also for each in one.libraries):
        lines.append("  a call that several have seen counts once")
    suites = ", ".join(f"{name} {version}" for name, version in one.suites.items())
    if suites:
        lines.append(f"  also installed, and may meter what it is told to: {suites}")
    return "\n".join(lines)


def _row(library: Library) -> tuple[str, ...]:
    if library.integration is None:
        metered = "no"
    elif library.is_left_out:
        metered = f"no, not in {INTEGRATIONS_VARIABLE}"
    elif library.risk is not None:
        metered = f"not surely, {library.integration}"
    else:
        metered = f"yes, {library.integration}" + (" (on)" if library.is_on else "")
    return (
        library.library,
        ", ".join(library.versions.values()) or "-",
        metered,
        ", ".join(_range(library, name) for name in library.versions) or "-",
        "; ".join(library.also) or "-",
    )


def _range(library: Library, name: str) -> str:
    oldest, newest = bounds((library.supported or {}).get(name, ""))
    return f"{oldest} to {newest}" if newest else f"from {oldest}" if oldest else "-"


def _models(one: Examination) -> str:
    if not one.seen.models:
        return ""
    rows = [("model", "provider", "calls", "price")]
    rows.extend(
        (shown(each.model or "-"), shown(each.provider or "-"), f"{each.calls:,}", _price(each))
        for each in one.seen.models
    )
    return table(rows, right=(2,))


def _price(model: Model) -> str:
    if not model.unpriced:
        return "known"
    return "; ".join(f"{calls:,} not in full: {why}" for why, calls in model.unpriced.items())


def _journal(one: Examination) -> str:
    seen = one.seen
    if seen.problem is not None:
        return f"journal: {seen.problem}"
    told = f"journal: {seen.source}, {seen.entries} entries, {seen.requests} requests"
    if seen.unattributed:
        told += f"; {seen.unattributed} calls outside of any (wrap them in agentmeter.request)"
    return told


def _faults(one: Examination) -> str:
    told = one.settled.faults
    faults = {place: count for place, count in one.faults.items() if place not in told}
    if not faults:
        return "" if told else "faults: none"
    return "\n".join(
        ["faults:", *(f"  {count} x {shown(place)}" for place, count in faults.items())]
    )


def _settings(one: Examination) -> str:
    """What is set, by what goes over the rest first; what is not in one line."""
    found, left_out = one.settled.settings, one.settled.left_out
    given = {name: each for name, each in found.items() if each.source != DEFAULT}
    rows = [("setting", "value", "from")]
    rows.extend((name, shown(_value(each.value)), each.source) for name, each in given.items())
    rows.extend((each.setting, "(left out)", each.source) for each in left_out)
    lines = [table(rows, right=())] if len(rows) > 1 else []
    named = {name for name, *_ in rows}
    rest = ", ".join(name for name in found if name not in named)
    return "\n".join([*lines, f"at the default: {rest}"])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_value(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value)) or "-"
    return str(value) if value not in (None, "") else "-"
