"""The real Chromium of the tests of the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.render.conftest import browser, context, tab

__all__ = ["browser", "context", "tab"]


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """What is waited for comes from several processes, which may have to begin first."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)
