"""Who follows the events of the page."""

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
