"""Pricers over each other, and the cache that keeps a broken one from breaking the host."""

import threading
from decimal import Decimal

import pytest

from agentmeter.pricing import (
    Cached,
    GenAIPrices,
    Layered,
    PriceKey,
    Pricer,
    Rate,
    RateCard,
    Tariff,
    Unpriced,
)
from agentmeter.pricing import pricer as module

KEY = PriceKey("openai", "gpt-5")


class Fixed:
    """A pricer with one answer, or one error."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked = 0

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def rate(meter: str, amount: str, from_ns: int | None = None, until_ns: int | None = None) -> Rate:
    """A row."""
    return Rate(meter=meter, price=Decimal(amount), source="s", from_ns=from_ns, until_ns=until_ns)


def listed(*rates: Rate, currency: str = "USD", version: str = "v") -> Fixed:
    """A pricer with these rows."""
    return Fixed(Tariff(KEY, currency, version, rates))


def quoted(pricer: Pricer, at_ns: int = 0) -> dict[str, str]:
    """The prices that hold, by meter."""
    answer = pricer.tariff(KEY)
    assert isinstance(answer, Tariff)
    return {name: str(one.price) for name, one in answer.quote(at_ns, 0).rates.items()}


def test_the_first_tariff_wins_and_its_missing_meters_come_from_below() -> None:
    """Only what the upper one does not cover."""
    both = Layered(listed(rate("page", "1")), listed(rate("page", "2"), rate("image", "3")))
    assert quoted(both) == {"page": "1", "image": "3"}


def test_a_time_that_the_upper_does_not_cover_is_priced_below() -> None:
    """A contract for the instants 10 to 20 leaves the others at list price."""
    both = Layered(listed(rate("page", "1", 10, 20)), listed(rate("page", "2")))
    assert [quoted(both, at)["page"] for at in (9, 10, 19, 20)] == ["2", "1", "1", "2"]


def test_a_later_row_below_does_not_outbid_the_upper() -> None:
    """A newer list price is no reason to leave the contract."""
    both = Layered(listed(rate("page", "1")), listed(rate("page", "2", 5)))
    assert quoted(both, 9) == {"page": "1"}


def test_tariffs_in_another_currency_are_not_mixed_in() -> None:
    """Two currencies make no sum."""
    both = Layered(listed(rate("page", "1")), listed(rate("image", "2"), currency="EUR"))
    assert quoted(both) == {"page": "1"}


def test_a_card_over_the_catalog_prices_the_parts_of_what_it_names() -> None:
    """A card's output rate is the rate of reasoning; the catalog's own cache rate stays."""
    card = RateCard.from_text('[[rate]]\nmodel = "gpt-5"\ninput = "1"\noutput = "8"\n')
    rates = quoted(Layered(card, GenAIPrices()))
    assert rates["reasoning"] == rates["output"] == "0.000008"
    assert rates["cache_read"] == "1.25E-7"
    assert rates["cache_write_5m"] == rates["input"] == "0.000001"
    assert quoted(card)["cache_read"] == "0.000001"


def test_without_any_tariff_every_reason_is_told_once() -> None:
    """In the order of the pricers."""
    answers = [Fixed(Unpriced("a")), Fixed(Unpriced("b")), Fixed(Unpriced("a"))]
    assert Layered(*answers).tariff(KEY) == Unpriced("a; b")
    assert Layered().tariff(KEY) == Unpriced("no pricer has a tariff")


def test_a_pricer_is_asked_once_for_a_key() -> None:
    """Equal keys are one key."""
    inner = listed(rate("page", "1"))
    cached = Cached(inner)
    assert cached.tariff(PriceKey("a", "b")) is cached.tariff(PriceKey("a", "b"))
    assert inner.asked == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [(ValueError("secret"), "ValueError"), (None, "TypeError"), (1, "TypeError")],
)
def test_a_broken_pricer_is_counted_and_answers_unpriced(answer: object, error: str) -> None:
    """Neither its error nor its message gets out; who listens is told."""
    told: list[tuple[str, str]] = []
    cached = Cached(Fixed(answer), lambda where, fault: told.append((where, type(fault).__name__)))
    assert cached.tariff(KEY) == Unpriced(f"pricer Fixed failed: {error}")
    assert cached.faults == 1
    assert told == [("pricer Fixed", error)]


def test_a_broken_listener_does_not_raise_either() -> None:
    """The fault is counted all the same."""

    def listener(where: str, error: BaseException) -> None:
        raise RuntimeError(where)

    cached = Cached(Fixed(ValueError()), listener)
    assert cached.tariff(KEY) == Unpriced("pricer Fixed failed: ValueError")
    assert cached.faults == 1


def test_the_cache_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest keys stay known."""
    monkeypatch.setattr(module, "_MOST", 2)
    inner = listed(rate("page", "1"))
    cached = Cached(inner)
    for model in ("a", "b", "c", "c", "b"):
        cached.tariff(PriceKey(None, model))
    assert inner.asked == 3
    cached.tariff(PriceKey(None, "a"))
    assert inner.asked == 4


def test_threads_agree_on_one_answer() -> None:
    """However many ask at the same time."""

    class Fresh:
        def tariff(self, key: PriceKey) -> Tariff | Unpriced:
            return Unpriced(str(object()))

    cached = Cached(Fresh())
    barrier, answers = threading.Barrier(8), []

    def ask() -> None:
        barrier.wait()
        answers.append(cached.tariff(KEY))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(answer) for answer in answers}) == 1
