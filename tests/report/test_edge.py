"""The edge: allocations beside the direct cost, dated currency, rounding once, tax."""

import json
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.model import UNATTRIBUTED, Call, Entry, Evidence, Kind, Money, Owner, Record
from agentmeter.model.money import plain, total
from agentmeter.pricing.allocation.reading import rules_from_text
from agentmeter.pricing.currency import CurrencyRates, minor_places, rates_from_text
from agentmeter.report.allocated import allocated
from agentmeter.report.edge import ROUNDINGS, apportioned, converted, stated
from agentmeter.report.report import Report, build, walk
from agentmeter.testing import metered
from tests.property.strategies import traffic

DAY = 86_400_000_000_000
RATES = rates_from_text(
    """
[[currency]]
from = "USD"
to = "EUR"
on = 1970-01-02
rate = "0.9"
source = "ECB"

[[currency]]
from = "USD"
to = "EUR"
on = 1970-01-04
rate = "0.95"
"""
)
RULES = rules_from_text(
    """
[[allocation]]
name = "index"
kind = "fixed"
amount = "1"
from = 1970-01-01
until = 1970-02-01
by = "requests"
"""
)


def charged(amounts: dict[str, tuple[str, int]], currency: str = "USD") -> Report:
    """A report of requests with one charge each: amount and day."""
    entries: list[Entry] = []
    for number, (request_id, (amount, day)) in enumerate(amounts.items()):
        at, root = day * DAY, f"{2 * number:016x}"
        call = Call(charge=Money(amount, currency), evidence={"request": Evidence()})  # type: ignore[arg-type]
        entries.append(Record(request_id, root, None, Kind.REQUEST, "r", Owner(), at, at))
        child = f"{2 * number + 1:016x}"
        entries.append(
            Record(request_id, child, root, Kind.CALL, "search", Owner(), at, at, call=call)
        )
    return build(entries, {})


def test_each_call_is_converted_at_the_rate_of_its_day() -> None:
    """The day's own rate, or the latest before; exactly, in any ambient decimal context."""
    report = charged({"a": ("1.23456789", 1), "b": ("1.23456789", 2), "c": ("1.23456789", 3)})
    with localcontext(prec=3):
        made = converted(report, RATES, "EUR")
    assert [plain(one.amounts["EUR"]) for one in made.requests] == [
        "1.111111101",
        "1.111111101",
        "1.1728394955",
    ]
    assert plain(made.amounts["EUR"]) == "3.3950616975"
    (line,) = made.requests[0].tree.children[0].cost.lines
    assert line.assumed == "0.9 EUR for 1 USD of 1970-01-02 (ECB)"
    assert [(one.on, plain(one.rate)) for one in made.exchange] == [
        ("1970-01-02", "0.9"),
        ("1970-01-04", "0.95"),
    ]


@pytest.mark.parametrize(
    ("rates", "to", "message"),
    [
        (
            RATES,
            "EUR",
            "currency rates: no rate from USD to EUR on 1970-01-01 or before, the first is of "
            "1970-01-02; add [[currency]] from = 'USD', to = 'EUR' for that day",
        ),
        (
            RATES,
            "JPY",
            "currency rates: no rate from USD to JPY; add [[currency]] from = 'USD', to = 'JPY'",
        ),
        (
            CurrencyRates(name="no --rates"),
            "EUR",
            "no --rates: no rate from USD to EUR; add [[currency]] from = 'USD', to = 'EUR'",
        ),
    ],
)
def test_a_currency_without_a_rate_is_refused(rates: CurrencyRates, to: str, message: str) -> None:
    """Nothing is guessed, turned round or half converted."""
    with pytest.raises(ConfigurationError) as caught:
        converted(charged({"a": ("1", 3), "b": ("1", 0)}), rates, to)
    assert str(caught.value) == message


def test_what_is_in_the_currency_already_needs_no_rate() -> None:
    """And stays the same report."""
    report = charged({"a": ("1.5", 0)}, "EUR")
    assert converted(report, CurrencyRates(), "EUR").to_json() == report.to_json()


@pytest.mark.parametrize(
    ("rounding", "whole", "parts"),
    [
        ("half-up", "0.02", ["0.01", "0.01", "0.00"]),
        ("half-even", "0.02", ["0.01", "0.01", "0.00"]),
        ("half-down", "0.01", ["0.01", "0.00", "0.00"]),
        ("down", "0.01", ["0.01", "0.00", "0.00"]),
        ("up", "0.02", ["0.01", "0.01", "0.00"]),
    ],
)
def test_rounding_is_done_once_and_parts_sum_to_the_whole(
    rounding: str, whole: str, parts: list[str]
) -> None:
    """Three requests of 0.005: 0.015 by the mode, shared by largest remainder, then by id."""
    report = charged({"a": ("0.005", 0), "b": ("0.005", 0), "c": ("0.005", 0)})
    made = stated(report, rounding=rounding)
    assert made.stated is not None
    assert str(made.stated.net) == whole
    assert [str(one.stated.net) for one in made.requests if one.stated] == parts
    assert made.amounts == {"USD": Decimal("0.015")}


def test_tax_is_on_the_rounded_net_and_shared_alike() -> None:
    """19% of 10.01 are 1.9019; of the parts 0.9519 and 0.95, so that the cent goes to the first."""
    made = stated(charged({"a": ("5.01", 0), "b": ("5.00", 0)}), tax=Decimal(19))
    document = made.to_json()
    assert document["total"]["stated"] == {
        "currency": "USD",
        "net": "10.01",
        "tax": "1.90",
        "gross": "11.91",
        "places": 2,
        "rounding": "half-even",
        "tax_percent": "19",
    }
    assert [(one["stated"]["tax"], one["stated"]["gross"]) for one in document["requests"]] == [
        ("0.95", "5.96"),
        ("0.95", "5.95"),
    ]
    assert "stated: 10.01 USD net + 1.90 USD tax (19%) = 11.91 USD, rounded half-even" in str(made)


def test_places_are_those_of_the_currency() -> None:
    """No sen, three places of a dinar; or as many as asked for."""
    assert [minor_places(code) for code in ("JPY", "EUR", "KWD", "CLF")] == [0, 2, 3, 4]
    made = stated(charged({"a": ("1234.5678", 0)}, "JPY"))
    assert made.stated is not None
    assert str(made.stated.net) == "1235"
    finer = stated(charged({"a": ("1234.5678", 0)}, "JPY"), places=3)
    assert finer.stated is not None
    assert str(finer.stated.net) == "1234.568"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounding": "nearest"}, "rounding: expected one of half-even, half-up, "),
        ({"places": -1}, "places: expected 0 to 18, got -1"),
        ({"tax": Decimal(-1)}, "tax: expected 0 to 100 percent, got -1"),
    ],
)
def test_what_cannot_be_stated_is_refused(options: dict[str, object], message: str) -> None:
    """With what would be accepted."""
    with pytest.raises(ConfigurationError, match=message):
        stated(charged({"a": ("1", 0)}), **options)  # type: ignore[arg-type]


def test_two_currencies_are_not_added() -> None:
    """A currency has to be named."""
    both = charged({"a": ("1", 0)})
    other = charged({"b": ("1", 0)}, "EUR")
    with pytest.raises(ConfigurationError, match="amounts in EUR and USD cannot be added"):
        stated(replace(both, requests=(*both.requests, *other.requests)))


def test_allocations_stand_beside_the_direct_cost() -> None:
    """In the text, in the JSON of each request and of the whole; in no call's own cost."""
    report = allocated(charged({"a": ("1", 0), "b": ("2", 0)}), RULES)
    assert report.total == {"USD": Decimal(4)}
    assert (report.amounts, report.allocated) == ({"USD": Decimal(3)}, {"USD": Decimal(1)})
    document = json.loads(json.dumps(report.to_json()))
    first = document["requests"][0]
    assert (first["cost"]["amount"], first["total"]["amount"]) == ("1", "1.5")
    assert first["allocations"] == [
        {
            "name": "index",
            "kind": "fixed",
            "from": "1970-01-01T00:00:00+00:00",
            "until": "1970-02-01T00:00:00+00:00",
            "by": "requests",
            "weight": 1,
            "of": 2,
            "amount": "0.5",
            "currency": "USD",
            "source": "allocations",
            "note": "1 for the period",
        }
    ]
    assert document["total"]["allocated"]["amount"] == "1"
    assert document["total"]["allocations"][0]["amount"] == "1"
    assert "allocated      total" in str(report)
    one = str(report.only("a"))
    assert "fixed index: $0.500000 (1 for the period, 1 of 2 by requests)" in one
    assert "in total $1.500000" in one


def test_a_whole_that_nobody_shares_is_in_the_total_and_told() -> None:
    """It has a stated part of its own, so that the parts still sum to the whole."""
    rules = rules_from_text(
        '[[allocation]]\nname = "gpu"\nkind = "capacity"\namount = "72.005"\nmodel = "llama*"\n'
        "from = 1970-01-01\nuntil = 1970-01-02\n"
    )
    report = allocated(charged({"a": ("1.01", 0)}), rules)
    assert report.total == {"USD": Decimal("73.015")}
    assert "not shared out: capacity gpu: $72.005000 (idle: 72.005 paid, 0 by calls; " in str(
        report
    )
    document = stated(report).to_json()["total"]
    assert (document["stated"]["net"], document["unshared_stated"]["net"]) == ("73.02", "72.01")


def test_work_outside_of_requests_takes_its_part() -> None:
    """Unattributed calls have used the period's capacity as well."""
    with metered() as meter:
        am.charge("search", usd="3")
        with am.request(user="u-1"):
            am.charge("search", usd="1")
    rules = rules_from_text(
        '[[allocation]]\nname = "db"\nkind = "fixed"\namount = "8"\nmodel = "search"\n'
        "from = 2026-01-01\nuntil = 2027-01-01\n"
    )
    report = allocated(meter.report(), rules)
    assert report.unattributed is not None
    assert report.unattributed.request_id == UNATTRIBUTED
    assert report.unattributed.allocated == {"USD": Decimal(6)}
    assert report.requests[0].allocated == {"USD": Decimal(2)}
    assert "unattributed: fixed db: $6.000000" in str(report)


PARTS = st.dictionaries(st.text(max_size=3), st.decimals(-1000, 1000, places=7), max_size=8)


@given(PARTS, st.integers(0, 4), st.sampled_from(sorted(ROUNDINGS)))
def test_apportioned_parts_sum_and_stay_within_a_unit(
    parts: dict[str, Decimal], places: int, rounding: str
) -> None:
    """The whole is the exact sum in the mode asked for; no part is off by a unit or more."""
    with localcontext(prec=3):
        whole, rounded = apportioned(parts, places, rounding)
    unit = Decimal(1).scaleb(-places)
    exact = total(parts)
    assert whole == exact.quantize(unit, ROUNDINGS[rounding])
    assert total(rounded) == whole
    assert all(abs(rounded[key] - part) < unit for key, part in parts.items())
    shuffled = dict(reversed(list(parts.items())))
    assert apportioned(shuffled, places, rounding) == (whole, rounded)


@given(traffic(), st.decimals("0.0001", "200", places=4), st.randoms())
def test_nothing_is_lost_on_the_way_to_the_edge(
    made: tuple[list[Entry], dict[str, int], Decimal], rate: Decimal, random: object
) -> None:
    """Allocated, converted and stated: direct costs untouched, sums exact, whatever the order."""
    entries, _, truth = made
    report = build(entries, {})
    rules = rules_from_text(
        '[[allocation]]\nname = "fee"\nkind = "fixed"\namount = "7.77"\nby = "requests"\n'
        '[[allocation]]\nname = "half"\nkind = "volume"\nsteps = [{ percent = "50" }]\n'.replace(
            'by = "requests"\n', 'by = "requests"\nfrom = 1970-01-01\nuntil = 1970-01-02\n'
        )
        + "from = 1970-01-01\nuntil = 1970-01-02\n"
    )
    shared = allocated(report, rules)
    before = [scope.cost for one in report.requests for scope in walk(one.tree)]
    assert [scope.cost for one in shared.requests for scope in walk(one.tree)] == before
    assert shared.total.get("USD", 0) == truth / 2 + Decimal("7.77")
    table = CurrencyRates((replace(RATES.rate("USD", "EUR", DAY), day=0, rate=rate),))
    edge = converted(shared, table, "EUR")
    assert edge.total.get("EUR", 0) == shared.total.get("USD", 0) * rate
    final = stated(edge, tax=Decimal("7.7"))
    assert final.stated is not None
    said = [one.stated for one in final.requests] + [final.unshared_stated]
    for name in ("net", "tax", "gross"):
        parts = [getattr(one, name) for one in said if one is not None]
        assert total(parts) == getattr(final.stated, name)
    random.shuffle(entries)  # type: ignore[attr-defined]
    with localcontext(prec=4):
        again = stated(
            converted(allocated(build(entries, {}), rules), table, "EUR"), tax=Decimal("7.7")
        )
        assert again.to_json() == final.to_json()


HEAD = '[[currency]]\nfrom = "USD"\nto = "EUR"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + 'rate = "1"', "line 1: on: a date such as 2026-11-01 is needed"),
        (HEAD + "on = 2026-11-01", "line 1: rate: a rate such as '0.92' is needed"),
        (HEAD + 'on = 2026-11-01\nrate = "0"', "line 5: rate: expected a rate above zero, got '0'"),
        (HEAD + 'on = 2026-11-01\nrate = 0.92', 'line 5: rate: 0.92 is a binary fraction; write it as text: "0.92"'),
        (HEAD + 'on = 2026-11-01T08:00:00\nrate = 1', "line 4: on: expected a date without a time of day"),
        (HEAD.replace("EUR", "euro") + "on = 2026-11-01\nrate = 1", "line 3: to: expected a code such as 'USD', got 'euro'"),
        ((HEAD + "on = 2026-11-01\nrate = 1\n") * 2, "line 9: on: there is a rate of that day at line 1 already; keep one of them"),
        ("[currency]\nrate = 1", "line 1: currency: write [[currency]] with two brackets above each table"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_field_and_remedy(text: str, message: str) -> None:
    """The whole message."""
    with pytest.raises(ConfigurationError) as caught:
        rates_from_text(text, "rates.toml")
    assert str(caught.value) == f"rates.toml, {message}"
