"""The history that forecasts are made from."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from agentmeter.report.forecast.asked import Asked, Conditions, agrees
from agentmeter.report.forecast.cell import Cell, Row, cell
from agentmeter.report.forecast.distribution import LEVELS, needed
from agentmeter.report.forecast.forecast import Forecast, forecast_from
from agentmeter.report.forecast.observation import Observation

_ENOUGH = needed(max(LEVELS))
_MOST_CELLS = 1_000
_NOTHING = Decimal(0)

_Key = tuple[Conditions, int | None, str | None]


class History:
    """Recorded requests, with the cells that were asked for so far.

    Amounts are in ``currency``, the one of most requests; what others cost is not known in it.
    """

    def __init__(self, observations: Iterable[Observation] = ()) -> None:
        self.observations = sorted(observations, key=lambda one: (one.started_ns, one.request_id))
        counted = Counter(one.currency for one in self.observations if one.cost)
        self.currency = min(counted, key=lambda name: (-counted[name], name), default="USD")
        self._cells: dict[_Key, Cell] = {}

    def __len__(self) -> int:
        return len(self.observations)

    def forecast(self, asked: Asked) -> Forecast:
        """What a request like this one costs and takes, or mid-run what remains of it.

        Taken from the narrowest cell that has enough requests for a 95 % interval, else from the
        widest one.
        """
        cells = list(asked.cells())
        passed: list[tuple[Conditions, int]] = []
        for conditions in cells:
            found = self._cell(conditions, asked)
            if len(found) >= _ENOUGH or conditions == cells[-1]:
                break
            passed.append((conditions, len(found)))
        narrower = tuple(one for one in passed if one[1] < len(found))
        return forecast_from(asked, conditions, found, narrower, self.currency)

    def _cell(self, conditions: Conditions, asked: Asked) -> Cell:
        key = (conditions, asked.iteration, asked.by)
        known = self._cells.get(key)
        if known is None:
            if len(self._cells) >= _MOST_CELLS:
                self._cells.clear()
            known = self._cells[key] = cell(list(self._rows(conditions, asked)))
        return known

    def _rows(self, conditions: Conditions, asked: Asked) -> Iterator[Row]:
        for one in self.observations:
            if agrees(one, conditions):
                row = self._whole(one, asked) if asked.iteration is None else self._rest(one, asked)
                if row is not None:
                    yield row

    def _whole(self, one: Observation, asked: Asked) -> Row | None:
        size = one.input_tokens if asked.by else 0
        if size is None:
            return None
        ours = one.currency == self.currency or not one.cost
        cost = (one.cost, one.cost_known) if ours else (_NOTHING, False)
        return Row(one.started_ns, size, cost, (one.tokens, one.tokens_known), one.at_least)

    def _rest(self, one: Observation, asked: Asked) -> Row | None:
        """What was still to come when the iteration was done: nothing, where it was the last."""
        done = asked.iteration or 0
        if len(one.spent) < done or (one.currency != self.currency and one.cost):
            return None
        cost, tokens = one.spent[done - 1]
        return Row(
            one.started_ns,
            cost if asked.by else 0,
            (one.cost - cost, one.cost_known),
            (one.tokens - tokens, one.tokens_known),
            one.at_least,
        )
