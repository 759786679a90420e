"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import Kept, metered

# How long an example takes is the machine's affair; no test asserts a time.
settings.register_profile("agentmeter", deadline=None)
settings.load_profile("agentmeter")


@pytest.fixture
def meter() -> Iterator[Kept]:
    """A meter in memory; afterwards no context may have leaked and no fault may be left."""
    with metered() as kept:
        yield kept
        assert current_scope() is None
        assert FAULTS.counts() == {}
