"""What the variables of a program that is metered as it stands name, and what is wrong there."""

from collections.abc import Collection, Iterable, Mapping

from agentmeter.runtime.settings import ZERO_CODE, hosts_in, meant

PER = ("auto", "process", "http", "none")
PER_VARIABLE = "AGENTMETER_REQUEST_PER"
INTEGRATIONS_VARIABLE = "AGENTMETER_INTEGRATIONS"


def integrations_named(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The integrations that are to be switched on; all of them where none is named."""
    return hosts_in(environment.get(INTEGRATIONS_VARIABLE, ""))


def unknown_integrations(named: Iterable[str], known: Collection[str]) -> list[str]:
    """Those that do not exist, each as a sentence with the name that may be meant."""
    return [
        f"{INTEGRATIONS_VARIABLE}: no integration {name!r}{meant(name, known)}"
        for name in named
        if name not in known
    ]


def per_named(environment: Mapping[str, str]) -> str:
    """What a request is, as the environment says it."""
    given = environment.get(PER_VARIABLE, "").strip().lower()
    return given or str(ZERO_CODE[PER_VARIABLE])


def unknown_per(environment: Mapping[str, str]) -> str | None:
    """What is wrong with the word for what a request is."""
    given = per_named(environment)
    if given in PER:
        return None
    said = f"{PER_VARIABLE}: {given!r} is none of {', '.join(PER)}"
    return f"{said}{meant(given, PER)}"
