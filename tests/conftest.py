"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest

from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import Kept, metered


@pytest.fixture
def meter() -> Iterator[Kept]:
    """A meter in memory; afterwards no context may have leaked and no fault may be left."""
    with metered() as kept:
        yield kept
        assert current_scope() is None
        assert FAULTS.counts() == {}
