"""Frozen values that are filled at once are like any frozen dataclass."""

import copy
import inspect
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest
from hypothesis import given

from agentmeter.model import Call, Record
from tests.property.strategies import RECORDS


@given(record=RECORDS)
def test_a_value_is_of_its_class_and_equal_to_its_copies(record: Record) -> None:
    """Copies and replacements are equal values of the same class."""
    for other in (copy.copy(record), replace(record)):
        assert type(other) is Record
        assert other == record
    assert replace(record, name=record.name + "x") != record


def test_a_value_cannot_be_changed() -> None:
    """No field can be set or deleted, and there is no room for another."""
    call = Call(model="gpt-5")
    with pytest.raises(FrozenInstanceError):
        call.model = "gpt-6"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del call.model
    assert not hasattr(call, "__dict__")
    assert call == Call(model="gpt-5")


def test_a_value_takes_what_the_dataclass_takes() -> None:
    """A wrong argument is refused by the class's own name, and the signature is that of a class
    without the decorator.
    """
    with pytest.raises(TypeError, match=r"Call\.__init__\(\) got an unexpected keyword .*'models'"):
        Call(models="gpt-5")  # type: ignore[call-arg]

    @dataclass(frozen=True, slots=True)
    class Plain:
        model: str | None = None

    assert str(inspect.signature(Plain)) == "(model: str | None = None) -> None"
    assert [*inspect.signature(Call).parameters] == [one.name for one in fields(Call)]
