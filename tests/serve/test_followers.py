"""Who follows the events of the page."""

import asyncio
from pathlib import Path

import pytest

from agentmeter.serve.live import Live, Reporter
from agentmeter.serve.refusal import Refusal


async def test_only_so_many_may_follow(tmp_path: Path) -> None:
    """One more is told to come again; one that has gone makes room."""
    live = Live(tmp_path, Reporter(tmp_path, 10, None), followers=1)
    first = live.events()
    assert await anext(first) == b"retry: 1000\ndata: changed\n\n"
    with pytest.raises(Refusal) as refused:
        live.events()
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    await first.aclose()
    second = live.events()
    assert await anext(second) == b"retry: 1000\ndata: changed\n\n"
    await second.aclose()
    await live.close()


async def test_who_is_gone_before_the_first_event_takes_no_place(tmp_path: Path) -> None:
    """A connection may end between its request and the first event."""
    live = Live(tmp_path, Reporter(tmp_path, 10, None), followers=1)
    for _ in range(3):
        live.events()
    both = [live.events(), live.events()]
    assert await anext(both[0]) == b"retry: 1000\ndata: changed\n\n"
    assert [event async for event in both[1]] == [], "crowded by now"
    await both[0].aclose()
    await live.close()


async def test_a_question_that_is_given_up_leaves_no_answer_to_the_next(tmp_path: Path) -> None:
    """The process is ended, since what it says next would be the answer to that."""
    reporter = Reporter(tmp_path, 10, None)
    await reporter.ask("ready")
    asked = asyncio.create_task(reporter.ask("page"))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert await reporter.ask("tree", "none of this name") == b""
    await reporter.close()
