"""One engine for all tests of this folder: there can be no second one in a process."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.clickhouse.front import Engine, Front


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Engine"]:
    """ClickHouse's engine, with nothing in it."""
    pytest.importorskip("chdb", reason="python -m tests.clickhouse.run makes an environment for it")
    from tests.clickhouse.front import Engine

    folder: Path = tmp_path_factory.mktemp("engine")
    running = Engine(folder)
    yield running
    running.close()


@pytest.fixture
def front(engine: "Engine") -> Iterator["Front"]:
    """The engine behind its HTTP interface."""
    from tests.clickhouse.front import Front

    with Front(engine) as listening:
        yield listening
