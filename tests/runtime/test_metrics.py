"""Metrics: exact totals by few attributes, which never fall, and nothing at all when off."""

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Context, Decimal, Inexact, Rounded, localcontext
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import agentmeter as am
from agentmeter.model import Call, Kind, Money, Owner, Record
from agentmeter.runtime.budget.account import Account
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.metrics import totals, watching
from agentmeter.runtime.metrics.figures import COST, labels, money
from agentmeter.runtime.metrics.totals import Totals
from agentmeter.testing import Kept

Points = dict[tuple[tuple[str, Any], ...], Any]


class Reading:
    """What a metric reader collects, by name and attributes."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def metrics(self) -> dict[str, Any]:
        watching.WORKER.settle()
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        (resource,) = data.resource_metrics
        return {one.name: one for scope in resource.scope_metrics for one in scope.metrics}

    def points(self, name: str) -> Points:
        found = self.metrics().get(name)
        points = found.data.data_points if found is not None else ()
        return {tuple(sorted(point.attributes.items())): point.value for point in points}


@pytest.fixture
def reading(meter: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: provider)
    monkeypatch.setattr(watching, "WATCH", watching.Watch())
    watching.switch(on=True)
    yield Reading(reader)
    watching.WORKER.settle()
    watching.switch(on=False)
    assert (Ledger.watchers, Ledger.stray_watchers, Account.watcher) == ((), (), None)
    assert FAULTS.counts() == {}


def by(**given: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels(**given)))


def call(usage: am.Usage, model: str = "gpt-5") -> None:
    with am.call(provider="openai", model=model) as one:
        one.record(usage)


ABOUT = {"provider": "openai", "model": "gpt-5", "feature": "research", "plan": "pro"}


def test_cost_tokens_calls_and_requests_are_exact(reading: Reading) -> None:
    """Two requests and a charge: every total by its attributes, units as the conventions have."""
    for _ in range(2):
        with am.request("ask", user="u-1", tenant="acme", feature="research", plan="pro"):
            call(am.Usage(input=1000, cache_read=2000, output=100))
            am.charge("search", usd="0.5")
    # gpt-5: 1.25, 0.125 and 10 dollars a million
    model = Decimal("0.00125") + Decimal("0.00025") + Decimal("0.001")
    assert reading.points("agentmeter.cost") == {
        by(**ABOUT): float(2 * model),
        by(feature="research", plan="pro"): 1,
    }
    assert reading.points("agentmeter.tokens") == {
        by(**ABOUT, meter="input"): 2000,
        by(**ABOUT, meter="cache_read"): 4000,
        by(**ABOUT, meter="output"): 200,
    }
    assert reading.points("agentmeter.calls") == {by(**ABOUT, outcome="ok"): 2}
    assert reading.points("agentmeter.requests") == {
        by(feature="research", plan="pro", outcome="ok"): 2
    }
    units = {name: one.unit for name, one in reading.metrics().items()}
    assert units == {
        "agentmeter.cost": "{USD}",
        "agentmeter.tokens": "{token}",
        "agentmeter.calls": "{call}",
        "agentmeter.requests": "{request}",
    }


def test_no_user_tenant_or_request_is_an_attribute(reading: Reading) -> None:
    """Whatever a request carries, only what is bounded by the program and its prices is told."""
    with am.request("ask", user="u-1", tenant="acme", plan="pro", tags={"team": "x"}):
        call(am.Usage(input=1))
    names = {
        name
        for metric in reading.metrics()
        for about in reading.points(metric)
        for name, _ in about
    }
    assert names == {
        "gen_ai.provider.name", "gen_ai.response.model", "agentmeter.owner.plan",
        "agentmeter.meter", "agentmeter.outcome",
    }  # fmt: skip


def test_late_usage_is_added_once(reading: Reading) -> None:
    """What comes in after the end raises the totals by what is new, and by no more."""
    with am.request("ask") as request:
        call(am.Usage(input=10))
    assert sum(reading.points("agentmeter.tokens").values()) == 10
    late = Record(request.request_id, "f" * 16, request.scope_id, Kind.CALL, "late", Owner(), 1, 2,
                  call=Call("openai", "gpt-5", usage=am.Usage(input=7)), late=True)  # fmt: skip
    for _ in range(2):
        request._live().add(late)
    assert sum(reading.points("agentmeter.tokens").values()) == 17
    assert sum(reading.points("agentmeter.requests").values()) == 1


def test_waste_that_is_taken_back_stays_counted_and_is_not_counted_twice(reading: Reading) -> None:
    """A counter never falls: discarded, kept and discarded again is one and the same dollar."""
    with am.request("ask") as request, am.branch("b") as branch:
        am.charge("x", usd="1")
    seen = []
    for say in (branch.discard, branch.keep, branch.discard):
        say()
        seen.append(reading.points("agentmeter.waste"))
    assert seen == [{(): 1}] * 3
    assert request.cost == Money("1")


def test_what_is_in_no_request_counts_too(reading: Reading) -> None:
    """A stray call and a stray charge are in the totals, without an owner."""
    call(am.Usage(input=3))
    am.charge("x", usd="2")
    assert reading.points("agentmeter.cost")[()] == 2
    assert reading.points("agentmeter.tokens") == {
        by(provider="openai", model="gpt-5", meter="input"): 3
    }
    assert reading.points("agentmeter.requests") == {}


def test_shared_work_counts_once(reading: Reading) -> None:
    """Three requests share ten tokens and a dollar: ten tokens and a dollar in the totals."""
    requests = am.request("a", plan="p"), am.request("b", new=True)
    with requests[0] as one, requests[1] as other, am.shared([one, other, "c" * 32]):
        call(am.Usage(input=10))
        am.charge("x", usd="1")
    assert reading.points("agentmeter.tokens") == {
        by(provider="openai", model="gpt-5", meter="input"): 10
    }
    assert reading.points("agentmeter.cost")[()] == 1
    assert sum(reading.points("agentmeter.calls").values()) == 1
    assert sum(reading.points("agentmeter.requests").values()) == 2


def test_what_has_no_price_is_told_beside_the_cost(reading: Reading) -> None:
    """Unknown is not zero: calls of a model that nobody knows are counted as unpriced."""
    with am.request("ask"):
        call(am.Usage(input=3), "nobody-knows-1")
    about = by(provider="openai", model="nobody-knows-1")
    assert reading.points("agentmeter.calls.unpriced") == {about: 1}
    assert reading.points("agentmeter.cost") == {}


def test_currencies_have_instruments_of_their_own(reading: Reading) -> None:
    """Euros are never added to dollars; the unit says which they are."""
    with am.request("ask"):
        am.charge("x", amount="2", currency="EUR")
        am.charge("y", usd="1")
    assert reading.points("agentmeter.cost.eur") == {(): 2}
    assert reading.points("agentmeter.cost") == {(): 1}
    assert reading.metrics()["agentmeter.cost.eur"].unit == "{EUR}"


def test_attributes_are_bounded(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the cap everything goes to one set, so that the sum stays whole."""
    monkeypatch.setattr(totals, "MOST", 3)
    for number in range(10):
        with am.request("ask", feature=f"f-{number}"):
            am.charge("x", usd="1")
    points = reading.points("agentmeter.cost")
    assert points == {
        **{by(feature=f"f-{number}"): 1 for number in range(3)},
        (("otel.metric.overflow", True),): 7,
    }


def test_sums_are_exact_before_they_become_floats(reading: Reading) -> None:
    """A thousand times a tenth is a hundred, which adding floats would miss."""
    kept = Totals()
    for _ in range(1000):
        kept.add(money(COST, "USD", ()), Decimal("0.1"))
    assert [one.value for one in kept.observations(COST)] == [100]


def test_budgets_tell_their_use_and_what_they_refuse(reading: Reading) -> None:
    """Half spent is 0.5, by the budget's name and measure; a refusal is counted by outcome."""
    with am.request("ask", budget=am.Budget(usd="1", calls=4, name="small")) as request:
        am.charge("x", usd="0.5")
        with pytest.raises(am.BudgetExceeded):
            am.charge("y", usd="0.75")
        assert reading.points("agentmeter.budget.utilization") == {
            by(budget="small", meter="usd"): 0.5,
            by(budget="small", meter="calls"): 0.25,
        }
    assert request.cost == Money("0.5")
    assert reading.points("agentmeter.budget.calls") == {by(budget="small", outcome="refused"): 1}


def test_the_use_of_a_budget_does_not_depend_on_the_ambient_decimals(reading: Reading) -> None:
    """An application may calculate with one digit, and be told of everything that is not exact."""
    with am.request("ask", budget=am.Budget(usd="3", name="odd")):
        am.charge("x", usd="1")
        with localcontext(Context(prec=1, traps=[Inexact, Rounded])):
            points = reading.points("agentmeter.budget.utilization")
    assert points == {by(budget="odd", meter="usd"): 1 / 3}


def test_long_requests_are_counted_on_the_way(reading: Reading, meter: Kept) -> None:
    """Once a minute has passed, what is known so far is in the totals; the end adds the rest."""
    from agentmeter.runtime.state import STATE

    with am.request("ask"):
        am.charge("x", usd="1")
        assert reading.points("agentmeter.cost") == {}
        STATE.now_ns.now += 61_000_000_000  # type: ignore[attr-defined]
        am.charge("x", usd="1")
        assert reading.points("agentmeter.cost") == {(): 2}
        assert reading.points("agentmeter.requests") == {}
        am.charge("x", usd="1")
    assert reading.points("agentmeter.cost") == {(): 3}


PROGRAM = """
import sys
import agentmeter as am
am.configure(journal=False)
with am.request("ask"):
    am.charge("x", usd="1")
from agentmeter.runtime.ledger import Ledger
loaded = sorted(one for one in sys.modules if one.startswith("agentmeter.runtime.metrics"))
print(len(Ledger.watchers), len(Ledger.stray_watchers), bool(loaded))
"""


@pytest.mark.parametrize(("switch", "said"), [("", "0 0 False"), ("true", "1 1 True")])
def test_it_is_loaded_and_listens_only_when_switched_on(switch: str, said: str) -> None:
    """Off, nothing listens and nothing of it is even imported; the environment switches it on."""
    environment = {**os.environ, "AGENTMETER_METRICS": switch}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == said


FORKING = """
import logging, os, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
logging.basicConfig(stream=sys.stdout)
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
import agentmeter as am
from agentmeter.runtime.metrics.watching import WORKER
am.configure(journal=False, metrics=True)

def spend(usd):
    with am.request("ask"):
        am.charge("x", usd=usd)
    WORKER.settle()
    (resource,) = reader.get_metrics_data().resource_metrics
    for metric in resource.scope_metrics[0].metrics:
        if metric.name == "agentmeter.cost":
            print(*(point.value for point in metric.data.data_points), flush=True)

spend("1")
if os.fork() == 0:
    spend("2")
    os._exit(0)
os.wait()
spend("4")
"""


def test_a_forked_child_tells_of_its_own_alone() -> None:
    """One dollar before the fork: the child tells of two, the parent of five; nothing twice."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "2", "5"]
