"""Ids in the table of requests: short, and no two alike."""

from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.report.short_ids import short_ids
from agentmeter.testing import Kept

MINTED = st.text("0123456789abcdef", min_size=32, max_size=32)
ALIKE = st.builds(
    lambda begin, end: (begin * 32)[: 32 - len(end)] + end,
    st.just("ab"),
    st.text("0123456789abcdef", max_size=24),
)


@given(st.lists(MINTED | ALIKE | st.text(max_size=12), max_size=8, unique=True))
def test_a_short_id_finds_its_own_request(ids: list[str]) -> None:
    """It is a beginning of the id, of eight digits at least, and of no other minted one."""
    short = short_ids(ids)
    assert list(short) == ids
    for one, said in short.items():
        assert one.startswith(said)
        if said != one:
            assert len(said) >= 8
            assert [other for other in ids if other.startswith(said)] == [one]


def test_ids_are_as_long_as_they_need_to_be() -> None:
    """Eight digits as a rule; one of the application's own stays whole."""
    first, second = "0123456789" + "0" * 22, "0123456780" + "0" * 22
    assert short_ids([first, "order-4711-of-tuesday"]) == {
        first: "01234567",
        "order-4711-of-tuesday": "order-4711-of-tuesday",
    }
    assert list(short_ids([first, second]).values()) == ["0123456789", "0123456780"]


def test_the_table_of_requests_has_names_and_short_ids(meter: Kept) -> None:
    """Sequential ids differ in their last digits alone, and are shown whole."""
    with am.request("research", user="u-1"):
        pass
    with am.request("index", user="u-2", id="order-4711"):
        pass
    lines = [line.split() for line in str(meter.report()).splitlines()]
    assert lines[0][:3] == ["request", "name", "user"]
    assert lines[1][:3] == ["00000000", "research", "u-1"]
    assert lines[2][:3] == ["order-4711", "index", "u-2"]
