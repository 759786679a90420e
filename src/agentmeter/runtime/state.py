"""What the running process has been configured with: clock, ids, sinks, pricer.

The one module-level state of agentmeter. ``api.configure`` fills it; tests put a fake clock and
sequential ids in it.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agentmeter.model import Call, Entry
from agentmeter.runtime.faults import after_fork
from agentmeter.semconv.fields import Attributes

# Prices are loaded when the first call is priced, forecasts when one is asked for.
if TYPE_CHECKING:
    from agentmeter.pricing.plans import PlanBook, PricedRequest
    from agentmeter.pricing.pricer import Pricer
    from agentmeter.pricing.tariff import Tariff
    from agentmeter.report.forecast import History
    from agentmeter.runtime.budget.gate import Gate
    from agentmeter.runtime.scope import Scope


class Sink(Protocol):
    """Where entries go. ``put`` must be quick and must not raise."""

    def put(
        self,
        entry: Entry,
        tariff: "Tariff | None" = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Take an entry; ``tariff`` is the one it names, written before it.

        ``attributes`` are its span's, where those have been worked out already; not to be changed.
        """

    def flush(self, timeout: float = 5.0) -> bool:
        """Write all that was taken; whether it was done within ``timeout`` seconds."""

    def close(self) -> None:
        """Flush and let go of what is held."""


class Reader(Protocol):
    """Where the entries of a request can be read back from, and what all of them came to."""

    def entries_of(self, request_id: str) -> Iterable[Entry]:
        """The entries of one request."""

    def history(self) -> "History":
        """The requests on record, for forecasts."""

    def priced(self, book: "PlanBook") -> "Iterable[PricedRequest]":
        """The requests on record that are over, at their cost in the book's currency."""


def random_id(size: int) -> str:
    """``size`` random bytes in hex; from the system, since ``random`` repeats after a seed."""
    return os.urandom(size).hex()


@dataclass(slots=True)
class State:
    """The configuration in force."""

    sink: Sink | None = None
    reader: Reader | None = None
    pricer: "Pricer | None" = None
    spans: bool = True
    flush_on_close: bool = False
    stamp_owner: bool = True
    provenance: bool = True
    max_entries: int = 10_000
    notices: bool = True
    """Whether to say that a request saw no call while a client was there that is not metered."""
    plans: "PlanBook | None" = None
    """What users are charged under, for their receipts."""
    public_names: Mapping[str, str] = field(default_factory=dict)
    """What users may see of scopes, by their names in the code."""
    carrier_key: bytes | None = None
    carrier_age: int = 86_400
    """Seconds for which a signed carrier is good."""
    carry_to: tuple[str, ...] = ()
    """Hosts that outgoing requests carry the request to, beside those that cannot be public."""
    providers: Mapping[str, str] = field(default_factory=dict)
    """Who serves at hosts of the application's own: host, with or without a port → provider."""
    process: "Scope | None" = None
    """The request of the whole process, for what is metered outside of any other."""
    serves: bool = False
    """Whether this process has served HTTP requests, each a request by itself."""
    gate: "Gate | None" = None
    """What calls have to pass, once there is a budget."""
    now_ns: Callable[[], int] = time.time_ns
    new_id: Callable[[int], str] = random_id
    configured: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What ``configure`` was given in the end, as far as another process can be given it."""
    integrations: tuple[str, ...] = ()
    """The names of the integrations that are on."""
    set_up: Callable[[Mapping[str, Any], tuple[str, ...]], None] | None = None
    """Configures and instruments; the public face puts it here, since it lies above."""
    configure_default: Callable[[], object] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def ready(self) -> "State":
        """Give this state, configured with the defaults if the application did not do it itself."""
        if not self.configured and self.configure_default is not None:
            with self.lock:
                if not self.configured:
                    self.configure_default()
        return self

    def tariff_of(self, call: Call) -> "tuple[Tariff | None, str | None]":
        """The tariff for a call from the pricer in force, or why there is none."""
        from agentmeter.pricing.keys import key_of
        from agentmeter.pricing.tariff import Tariff

        if self.pricer is None:
            return None, "no pricer is configured"
        answer = self.pricer.tariff(key_of(call))
        return (answer, None) if isinstance(answer, Tariff) else (None, answer.reason)


def _unlocked() -> None:
    STATE.lock = threading.RLock()


STATE = State()
after_fork(_unlocked)
