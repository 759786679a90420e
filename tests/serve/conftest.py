"""The real Chromium of the tests of the page."""

from tests.render.conftest import browser, context, tab

__all__ = ["browser", "context", "tab"]
