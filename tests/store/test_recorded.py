"""A report on what is on record, for a program that asks."""

import gc
from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.exceptions import SourceError
from agentmeter.testing import metered


def test_a_folder_is_reported_on_as_it_was_in_process(tmp_path: Path) -> None:
    """What is still queued is written first, so that nothing is missing; collection stays on."""
    am.configure(directory=tmp_path)
    try:
        with am.request("ask", user="u") as request:
            am.charge("x", usd="0.1")
        made = am.report_on(str(tmp_path))
        live = request.report()
    finally:
        am.configure(journal=False)
    assert [one.request_id for one in made.requests] == [request.id]
    assert made.to_json()["requests"] == live.to_json()["requests"]
    assert gc.isenabled()


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """With the place; and collection goes on."""
    with metered(), pytest.raises(SourceError, match="nowhere"):
        am.report_on(tmp_path / "nowhere")
    assert gc.isenabled()
