"""A forecast in plain language."""

from collections.abc import Iterator
from decimal import Decimal

from agentmeter.report.amounts import amount_text
from agentmeter.report.document import iso
from agentmeter.report.forecast.asked import Conditions
from agentmeter.report.forecast.distribution import LEVELS, QUANTILES, Interval, needed
from agentmeter.report.forecast.forecast import Forecast
from agentmeter.report.table import table
from agentmeter.report.text import shown

_UNKNOWN = "not known"


def text(forecast: Forecast) -> str:
    """Head, table of quantiles and intervals, and what to mind."""
    said = [f"{remark[0].upper()}{remark[1:]}." for remark in remarks(forecast)]
    if not forecast.n:
        return "\n".join(said)
    return "\n".join([_head(forecast), "", _table(forecast), "", *_guarantee(forecast), *said])


def remarks(forecast: Forecast) -> list[str]:
    """What is special about this forecast, a sentence each."""
    return [*_remarks(forecast), *forecast.notes]


def _remarks(forecast: Forecast) -> Iterator[str]:
    basis, drift, n = forecast.basis, forecast.drift, forecast.n
    if not n:
        yield f"no recorded request {_like(forecast)}; nothing can be said yet"
        return
    for conditions, found in basis.passed:
        yield f"only {_count(found)} with {_said(conditions)}; more were taken in"
    if drift is not None:
        yield (
            f"costs changed at {iso(drift.since_ns)}, from a median of "
            f"{_amount(forecast, drift.was)} to one of {_amount(forecast, drift.now)}; "
            f"{_count(drift.before)} before that are left out"
        )
    if forecast.cold_start:
        yield f"this is a cold start, with fewer than the {needed(95)} requests that are wanted"
    if forecast.beyond:
        yield f"no request like this one had {_sizes(forecast)}; the figures are of the nearest"
    if basis.in_part:
        yield f"{basis.in_part} of them known in part only, and counted as without limit"
    if basis.at_least:
        yield f"{basis.at_least} of them with a stream cut, counted as far as it had come"


def _head(forecast: Forecast) -> str:
    asked, basis = forecast.asked, forecast.basis
    what = "A request"
    if asked.iteration is not None:
        spent = f" and {_amount(forecast, asked.spent)}" if asked.spent is not None else ""
        what = f"What remains after {asked.iteration} iterations{spent}"
    of = f" of {_said(basis.conditions)}" if basis.conditions else ""
    if basis.by == "input_tokens":
        of += f" with {asked.input_tokens:,} input tokens"
    return f"{what}{of}, from {_count(forecast.n)} like it{_span(forecast)}:"


def _span(forecast: Forecast) -> str:
    basis = forecast.basis
    if basis.first_ns is None or basis.last_ns is None:
        return ""
    days = f"{iso(basis.first_ns)[:10]} to {iso(basis.last_ns)[:10]}"
    if basis.low is None or basis.high is None:
        return f" ({days})"
    if basis.by == "spent":
        ends = f"{_amount(forecast, basis.low)} to {_amount(forecast, basis.high)} spent"
    else:
        ends = f"{basis.low:,} to {basis.high:,} input tokens"
    return f" ({ends}; {days})"


def _table(forecast: Forecast) -> str:
    cost, tokens = forecast.cost, forecast.tokens
    mean = ("on average", _amount(forecast, cost.mean), _tokens(tokens.mean))
    rows = [("", "cost", "tokens"), mean]
    for percent in QUANTILES:
        amount, count = cost.quantile(percent), tokens.quantile(percent)
        rows.append((f"{percent} of 100 at most", _amount(forecast, amount), _tokens(count)))
    for level in LEVELS:
        money, counts = cost.interval(level), tokens.interval(level)
        dear = _ends(money, _amount(forecast, money.low), _amount(forecast, money.high))
        many = _ends(counts, _tokens(counts.low), _tokens(counts.high))
        rows.append((f"{level} of 100 between", dear, many))
    return table(rows, right=(1, 2))


def _ends(one: "Interval[Decimal] | Interval[int]", low: str, high: str) -> str:
    if one.low is None:
        return _UNKNOWN
    return f"{low} and {high}" if one.is_stated else f"{low} and more"


def _guarantee(forecast: Forecast) -> Iterator[str]:
    """What the table promises, and why some of it is not known."""
    yield "These shares hold at the least, as long as requests come as the recorded ones did."
    for level in LEVELS:
        reason = forecast.cost.interval(level).reason
        if reason is not None:
            yield f"Between what {level} of 100 cost is not known: {reason}."


def _like(forecast: Forecast) -> str:
    basis, asked = forecast.basis, forecast.asked
    parts = [f"has {_said(basis.conditions)}"] if basis.conditions else []
    if asked.iteration is not None:
        parts.append(f"reached iteration {asked.iteration}")
    if basis.by == "input_tokens":
        parts.append("says how many input tokens it had")
    return " and ".join(parts) or "is there"


def _said(conditions: Conditions) -> str:
    return ", ".join(shown(f"{name} {value}") for name, value in conditions) or "no condition"


def _sizes(forecast: Forecast) -> str:
    asked = forecast.asked
    if forecast.basis.by == "spent":
        return f"spent {_amount(forecast, asked.spent)} by then"
    return f"{asked.input_tokens:,} input tokens"


def _count(n: int) -> str:
    return f"{n:,} request" if n == 1 else f"{n:,} requests"


def _tokens(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"


def _amount(forecast: Forecast, amount: Decimal | int | None) -> str:
    if amount is None:
        return _UNKNOWN
    return amount_text({forecast.currency: Decimal(amount)})
