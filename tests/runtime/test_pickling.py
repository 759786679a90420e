"""Decorated functions go where the bare ones go: to other processes, and into copies."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

import agentmeter as am


@am.tool
def doubled(number: int) -> int:
    return 2 * number


class Agent:
    def __init__(self, by: int) -> None:
        self.by = by

    @am.agent("times")
    def times(self, number: int) -> int:
        return self.by * number


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_pool_takes_decorated_functions_and_methods(method: str) -> None:
    """By name and by instance, as it takes bare ones."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(doubled, 4).result(60) == 8
        assert pool.submit(Agent(3).times, 4).result(60) == 12


def test_a_decorated_function_is_its_own_copy() -> None:
    """As functions are; a method's copy is of the copied instance."""
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.copy(doubled) is doubled is copy.deepcopy({"tool": doubled})["tool"]
    one = Agent(3)
    times = copy.deepcopy(one.times)
    one.by = 100
    assert times(4) == 12
    assert pickle.loads(pickle.dumps(one.times))(4) == 400
