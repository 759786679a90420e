"""Forecasts: what a request like this one will probably cost, from requests on record.

    RequestReport ─ observed ─▶ Observation ─┐
                                             ├─ History.forecast(Asked) ─▶ Forecast ─▶ text, JSON
    cell (feature, model, owner) ─ drift ────┘             cost, tokens: Distribution

A forecast is read off order statistics of recorded requests, so every amount in it was the cost of
a request, to the digit. *Like this one* is a cell: requests that agree in what was asked for, cut
into bins by their input tokens (or, mid-run, by what they had spent by that iteration). Inside a
bin the interval from the j-th smallest to the k-th largest of n holds the next request with
probability (n + 1 - j - k) / (n + 1), whatever the distribution, as long as requests go on as
before: conformal prediction with the bin as its taxonomy. ``drift`` watches whether they do.
"""

from agentmeter.report.forecast.asked import Asked
from agentmeter.report.forecast.distribution import Distribution, Interval, needed
from agentmeter.report.forecast.drift import Drift
from agentmeter.report.forecast.forecast import Basis, Forecast
from agentmeter.report.forecast.history import History
from agentmeter.report.forecast.observation import Observation, observed

__all__ = [
    "Asked",
    "Basis",
    "Distribution",
    "Drift",
    "Forecast",
    "History",
    "Interval",
    "Observation",
    "needed",
    "observed",
]
