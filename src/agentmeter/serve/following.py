"""The report over a folder, kept up with what is appended to it, by whichever process."""

from collections import Counter
from pathlib import Path
from typing import Any

from agentmeter.exceptions import PlanError
from agentmeter.pricing.plans import PlanBook
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.pricing import asked
from agentmeter.report.report import Report, RequestReport
from agentmeter.report.running import RunningReport
from agentmeter.serve.margin import margin_values
from agentmeter.store.reader import read_on

_MOST_PROBLEMS = 1000
_FURTHER = "further problems, which agentmeter report lists"
_NOT_HELD = "requests older than what this page holds, which agentmeter report shows"


class Following:
    """Reads on where it stopped. It holds ``most`` entries at most: the requests that something
    has come for last. ``report`` and ``request`` are as of the last ``look``.
    """

    def __init__(
        self, folder: Path, pricer: Pricer, most: int, book: PlanBook | None = None
    ) -> None:
        self._folder = folder
        self._pricer = pricer
        self._most = most
        self._book = book
        self._begin()

    def _begin(self) -> None:
        self._running = RunningReport()
        self._read_so_far: dict[Path, int] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._problems: Counter[str] = Counter()
        self._told: dict[str, dict[str, int]] = {}

    def look(self) -> None:
        """Read what has come since; all anew where a file has gone, compacted or erased."""
        if not all(file.exists() for file in self._read_so_far):
            self._begin()
        contents = read_on(self._folder, self._read_so_far)
        self._tariffs.update(contents.tariffs)
        entries = [asked(entry, self._tariffs, self._pricer) for entry in contents.entries]
        self._running.take(entries, self._tariffs, contents.only_sampled)
        for problem in contents.problems:
            known = problem in self._problems or len(self._problems) < _MOST_PROBLEMS
            self._problems[problem if known else _FURTHER] += 1
        self._told.update(contents.recorded_faults)

    def report(self) -> Report:
        """The report; what is not in it is one of its faults."""
        made = self._running.report(self._faults())
        self._running.forget(self._most)
        return made

    def request(self, request_id: str) -> RequestReport | None:
        """One request of it."""
        return self._running.request(request_id)

    def margin(self, report: Report) -> dict[str, Any] | None:
        """What the plans make of it; a currency that they have no rate for is a fault of it."""
        if self._book is None:
            return None
        try:
            return margin_values(report, self._book)
        except PlanError as error:
            self._problems[str(error)] = 1
            return None

    def _faults(self) -> dict[str, int]:
        counts = Counter(self._problems)
        for counted in self._told.values():
            counts.update(counted)
        forgotten = self._running.forgotten
        if forgotten:
            counts[_NOT_HELD] = forgotten
        return dict(counts)
