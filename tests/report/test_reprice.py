"""Repriced traffic: other models, other price lists, the prices of another day; gaps are told."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.exceptions import ConfigurationError
from agentmeter.model import REPORTED, Call, Kind, Money, Owner, Record, Usage
from agentmeter.pricing import PriceKey, Rate, Tariff, Unpriced
from agentmeter.report.reprice import Repriced, Terms, held_at, replacement, reprice, swapped
from agentmeter.report.reprice_text import repriced_document, repriced_text
from agentmeter.semconv.writing import fields_of
from agentmeter.store.lines import line_of, tariff_fields

DAY = 86_400_000_000_000


def rate(meter: str, price: str, **more: Any) -> Rate:
    """A row at a price."""
    return Rate(meter=meter, price=Decimal(price), source="list", **more)


@dataclass(frozen=True)
class Prices:
    """A pricer by model name, as a table."""

    table: dict[str, tuple[Rate, ...]]

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        if key.model not in self.table:
            return Unpriced(f"no price for {key.model}")
        return Tariff(key, "USD", "now", self.table[key.model])


OLD = Tariff(PriceKey("acme", "big"), "USD", "then", (rate("input", "2"), rate("output", "5")))


def scope(request: int, number: int, call: Call | None, at_ns: int = 100 * DAY) -> Record:
    """A request's root (without a call) or a call in it."""
    kind = Kind.REQUEST if call is None else Kind.CALL
    parent = None if call is None else f"{request * 100:016x}"
    scope_id = f"{request * 100 + number:016x}"
    owner = Owner(user=f"u-{request}", feature="chat")
    name = "ask" if call is None else "chat"
    return Record(
        f"{request:032x}", scope_id, parent, kind, name, owner, at_ns, at_ns + 9, call=call
    )


def call(model: str = "big", tariff: str | None = OLD.digest, **usage: int) -> Call:
    """A call that was priced at ``OLD``."""
    return Call(
        "acme", model, usage=Usage(usage), evidence=dict.fromkeys(usage, REPORTED), tariff=tariff
    )


ENTRIES = [
    scope(1, 0, None),
    scope(1, 1, call(input=10, output=1)),
    scope(1, 2, Call(charge=Money(Decimal("0.5")))),
    scope(2, 0, None, 200 * DAY),
    scope(2, 1, call(input=100), 200 * DAY),
    scope(2, 2, call("odd", None, input=7), 200 * DAY),
]


def made(terms: Terms, **table: tuple[Rate, ...]) -> Repriced:
    """``ENTRIES`` at other terms."""
    return reprice(ENTRIES, {OLD.digest: OLD}, Prices(table), terms)


def test_another_price_list_changes_calls_and_leaves_charges() -> None:
    """Each request, each model and the total with the difference; the charge stays as it was."""
    big = (rate("input", "1"), rate("output", "7"))
    document = repriced_document(made(Terms(), big=big, odd=(rate("input", "3"),)))
    first, second = document["requests"]
    assert first == {
        "request_id": f"{1:032x}",
        "user": "u-1",
        "tenant": None,
        "feature": "chat",
        "before": {"amount": "25.5", "currency": "USD"},  # 10 x 2 + 1 x 5 + 0.5
        "after": {"amount": "17.5", "currency": "USD"},  # 10 x 1 + 1 x 7 + 0.5
        "difference": {"amount": "-8", "currency": "USD"},
        "partial": False,
    }
    assert second["difference"] == {"amount": "-79", "currency": "USD"}  # 100 + 21 - 200
    assert second["partial"] is True  # odd had no tariff when it was recorded
    rows = [(r["model"], r["priced_as"], r["calls"], r["partial"]) for r in document["by_model"]]
    assert rows == [("big", "big", 2, False), ("odd", "odd", 1, True)]
    assert document["total"]["before"]["amount"] == "225.5"
    assert document["total"]["after"]["amount"] == "138.5"
    assert {one["version"] for one in document["tariffs"]} == {"now"}


def test_a_swap_leaves_the_calls_of_other_models_as_they_were() -> None:
    """Contracts of then and gaps stay; the swapped model is asked for alone."""
    terms = Terms((replacement("odd=small"),), others=False)
    result = made(terms, small=(rate("input", "1"),))
    assert swapped(result) is result.after
    amounts = [one.amounts["USD"] for one in result.after.requests]
    assert amounts == [Decimal("25.5"), Decimal(207)]  # as it was; 100 x 2 + 7 x 1


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("bgi=small", "model: no call was made of 'bgi'; there are big, odd"),
        ("big=none", "model: 'none': "),
    ],
)
def test_a_swap_that_changes_nothing_or_has_no_price_is_told(pair: str, told: str) -> None:
    """Its figures would be those of before, or leave the swapped calls out."""
    result = made(Terms((replacement(pair),), others=False), small=(rate("input", "1"),))
    with pytest.raises(ConfigurationError) as raised:
        swapped(result)
    assert str(raised.value).startswith(told)


def test_another_model_is_a_glob_and_what_has_no_price_is_a_gap() -> None:
    """The first pattern that matches holds; the difference that lacks a price is partial."""
    terms = Terms((replacement("BIG*=small"), replacement("*=none")))
    result = made(terms, small=(rate("input", "1"), rate("output", "1")))
    document = repriced_document(result)
    assert [one["after"]["amount"] for one in document["requests"]] == ["11.5", "100"]
    assert document["unpriced"] == [
        {"model": "none", "meter": "input", "quantity": 7, "reason": "no price for none"}
    ]
    assert [one["partial"] for one in document["requests"]] == [False, True]
    assert "no price at these terms, and so in no amount above" in repriced_text(result)


def test_a_model_of_another_provider_is_found_by_its_prefix() -> None:
    """The same provider is asked first, then the one that is named, without its conditions."""
    asked: list[PriceKey] = []

    class Asking:
        def tariff(self, key: PriceKey) -> Tariff | Unpriced:
            asked.append(key)
            known = (key.provider, key.model) == ("other", "m")
            return Tariff(key, "USD", "1", (rate("input", "1"),)) if known else Unpriced("no")

    entry = scope(1, 1, replace(call(input=10), service_tier="flex", region="eu"))
    result = reprice([scope(1, 0, None), entry], {}, Asking(), Terms((("*", "other/m"),)))
    assert asked == [
        PriceKey("acme", "other/m", "flex", region="eu"),
        PriceKey("other", "m", "flex"),
    ]
    assert result.requests[0][1].after == {"USD": Decimal(10)}


def test_as_of_a_day_every_call_gets_the_prices_of_then() -> None:
    """Later and earlier lists count for nothing, whenever the call was made."""
    rows = (
        rate("input", "1", until_ns=150 * DAY),
        rate("input", "3", from_ns=150 * DAY, until_ns=180 * DAY),
        rate("input", "9", from_ns=180 * DAY),
        rate("output", "1"),
    )
    amounts = [
        made(Terms(at_ns=at), big=rows).total.after["USD"]
        for at in (149 * DAY, 150 * DAY, 180 * DAY)
    ]
    # 110 of input at the price of the day, 1 of output at 1, the charge of 0.5
    assert amounts == [Decimal("111.5"), Decimal("331.5"), Decimal("991.5")]
    assert "every call at the prices that held at 1970-06-30" in repriced_text(
        made(Terms(at_ns=180 * DAY), big=rows)
    )


OPTIONAL = st.none() | st.integers(0, 30).map(lambda day: day * DAY)
WINDOWS = st.none() | st.tuples(st.integers(0, 86_399), st.integers(0, 86_399))
ROWS = st.lists(
    st.builds(
        Rate,
        meter=st.sampled_from(["input", "output"]),
        price=st.integers(0, 1000).map(Decimal),
        source=st.just("list"),
        from_ns=OPTIONAL,
        until_ns=OPTIONAL,
        window=WINDOWS,
        above=st.none() | st.integers(0, 5),
    ),
    max_size=8,
).map(tuple)


@given(rows=ROWS, day=st.integers(0, 30), at=st.integers(0, 60), total=st.integers(0, 6))
def test_what_held_at_a_day_holds_always(
    rows: tuple[Rate, ...], day: int, at: int, total: int
) -> None:
    """The quote at any later time of the same second of the day is that of the day itself."""
    then = Tariff(OLD.key, "USD", "1", rows).quote(day * DAY, total).rates
    always = Tariff(OLD.key, "USD", "1", held_at(rows, day * DAY)).quote(at * DAY, total).rates
    assert {m: r.price for m, r in then.items()} == {m: r.price for m, r in always.items()}


def test_differences_do_not_depend_on_the_ambient_context() -> None:
    """A program that works with six digits gets the same differences."""
    with localcontext(prec=2):
        result = made(Terms(), big=(rate("input", "1.000001"), rate("output", "0")))
        assert result.requests[0][1].difference == {"USD": Decimal("-14.99999")}
        assert "-$14.999990" in repriced_text(result)


@pytest.mark.parametrize("text", ["gpt", "=x", "x=", " = "])
def test_a_replacement_that_is_none_is_refused(text: str) -> None:
    """The message shows the form."""
    with pytest.raises(ConfigurationError, match=r"expected FROM=TO such as 'gpt-5\*=gpt-5-mini'"):
        replacement(text)


def test_the_command_reads_a_journal_and_a_rate_card(tmp_path: Path) -> None:
    """From stored records, with a card over the catalog and a date; bad options are named."""
    lines = [line_of(tariff_fields(OLD)), *(line_of(fields_of(entry)) for entry in ENTRIES)]
    (tmp_path / "made.jsonl").write_bytes(b"".join(lines))
    card = '[[rate]]\nmodel = "b*"\nper = 1\ninput = "1"\noutput = "7"\n'
    (tmp_path / "card.toml").write_text(card)
    command = [sys.executable, "-m", "agentmeter.cli", "reprice", "made.jsonl"]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)

    given_card = ("--rate-card", "card.toml", "--model", "odd=b", "--as-of", "2026-01-31")
    document = json.loads(run(*given_card, "--json").stdout)
    assert document["total"]["after"] == {"amount": "124.5", "currency": "USD"}
    assert document["terms"] == {
        "models": [{"from": "odd", "to": "b"}],
        "as_of": "2026-01-31T00:00:00+00:00",
    }
    assert "card.toml" in run(*given_card).stdout
    assert "no call was made of 'od'; there are" in run("--model", "od=b").stderr
    assert run("--as-of", "soon").stderr.startswith("Error: as-of: expected a date such as")
