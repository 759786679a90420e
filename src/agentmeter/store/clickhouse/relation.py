"""``leaves`` over a table of spans: what a question asks for of it, and no more.

A leaf is one call's record, so that a question about models reads the columns of models; only what
asks for the request's root, the scopes around a call or the turns of a loop has them joined.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from agentmeter.attribution.turns import NO_TURN
from agentmeter.attribution.waste import LOST
from agentmeter.model import METERS, Side
from agentmeter.pricing.cost import TIMED
from agentmeter.store.clickhouse.address import backticked, quoted
from agentmeter.store.clickhouse.prices import least, price
from agentmeter.store.clickhouse.questions import Found, Questions, quantity, side
from agentmeter.store.leaves import LEAF_COLUMNS

_ROOT = ("request_name", "request_status", "request_started_ns", "request_ended_ns")
_AROUND = {"agent": 2, "step": 3, "tool": 4, "branch": 5}
"""Column → its place in what ``around.sql`` gives."""
_WASTE = ", ".join(
    f"status = {quoted(status.value)}, {quoted(reason)}" for status, reason in LOST.items()
)
_EVIDENCE = """multiIf(
    plainly AND used AND known = [], 'reported',
    known = [] OR arrayExists(x -> endsWith(x, '/unknown'), known), 'unknown',
    arrayExists(x -> endsWith(x, '/at_least'), known), 'at_least',
    arrayExists(x -> startsWith(x, 'estimated'), known), 'estimated',
    arrayExists(x -> startsWith(x, 'charged'), known), 'charged',
    'reported')"""
_PRICED_MODEL = "if(response_model != '', response_model, asked_model)"
_TYPES = {"BOOLEAN": "Bool", "VARCHAR": "String", "BIGINT": "Int64", "INTEGER": "Int32"}


@dataclass(frozen=True)
class Relation:
    """The leaves of a table, for one question after the other."""

    questions: Questions
    found: Found
    repeated: bool
    """Whether records are in the table more than once."""

    def over(self, sql: str) -> str:
        """A question over ``leaves`` with that relation in front of it."""
        wanted = [name for name in self._columns if re.search(rf"\b{name}\b", sql)] or ["leaf"]
        told = ", ".join(f"`{name}`" for name in wanted)
        leaves = f"SELECT * FROM ({self._plain(wanted)}) UNION ALL SELECT {told} FROM resolved"
        head = f"leaves AS ({leaves})"
        if sql.lstrip().startswith("WITH "):
            return f"WITH {head}, {sql.lstrip().removeprefix('WITH ')}"
        return f"WITH {head} {sql}"

    def _plain(self, wanted: Iterable[str]) -> str:
        names = set(wanted)
        joined = [*(["roots"] if names & set(_ROOT) else [])]
        walked = names & {*_AROUND, "iteration"}
        joined += ["scopes"] if walked else []
        marks = {
            "tokens": side(self.found, Side.INPUT, Side.OUTPUT),
            "total_input": side(self.found, Side.INPUT),
            "others": self._others,
            "once": "ORDER BY request_id, scope_id, sampled LIMIT 1 BY request_id, scope_id"
            if self.repeated
            else "",
            "joined": "\n".join(self.questions.part(one, self.found) for one in joined),
        }
        if "iteration" not in names:
            columns = ", ".join(f"{self._columns[name]} AS `{name}`" for name in wanted)
            return self.questions.part("plain", self.found, columns=columns, **marks)
        return self._in_turns(list(wanted), marks)

    def _in_turns(self, wanted: list[str], marks: dict[str, str]) -> str:
        """With the turns of loops, which need all the calls of a loop at once."""
        others = [name for name in wanted if name != "iteration"]
        columns = "".join(f", {self._columns[name]} AS `{name}`" for name in others)
        turns = f"charge = '' AND leaf AND operation NOT IN ({', '.join(map(quoted, NO_TURN))})"
        plain = self.questions.part(
            "plain",
            self.found,
            columns=f"request_id AS of, started_ns AS began, ended_ns AS ended, {turns} AS turns, "
            f"{self.questions.part('around', self.found)} AS loop{columns}",
            **marks,
        )
        told = "".join(f", `{name}`" for name in others)
        made = self.questions.part("turns", self.found, plain=plain, told=told)
        order = ", ".join(f"`{name}`" for name in wanted)
        return f"SELECT {order} FROM ({made})"

    @cached_property
    def _columns(self) -> dict[str, str]:
        """Column of a leaf → its expression."""
        walked = self.questions.part("around", self.found)
        columns = {
            "leaf": "leaf",
            **{name: name for name in ("request_id", "user", "tenant", "feature", "plan", "tags")},
            **{name: name for name in _ROOT},
            **{name: f"{walked}.{place}" for name, place in _AROUND.items()},
            "iteration": "iteration",
            "model": f"if(is_charge, name, {_PRICED_MODEL})",
            "provider": "if(is_charge, name, asked_provider)",
            "day": "formatDateTime(fromUnixTimestamp64Nano(started_ns, 'UTC'), '%Y-%m-%d')",
            "waste": f"CAST(multiIf(leaf, multiIf({_WASTE}, NULL), NULL) AS Nullable(String))",
            "evidence": _EVIDENCE,
            "operation": "operation",
            "calls": "if(leaf, if(stands_for = '', 1, toInt64OrZero(stands_for)), 0)",
            "partial": f"leaf AND ({self._partial})",
            "tokens": "if(leaf, tokens, 0)",
            "own_usage": "own_usage",
            "currency": "nullIf(if(charge != '', charge_currency, rate_currency), '')",
            "cost": self._cost,
        }
        return columns | {f"m_{meter}": quantity(meter) for meter in self.found.known}

    @property
    def types(self) -> dict[str, str]:
        """The columns' types in ClickHouse."""
        kinds = {name: LEAF_COLUMNS[name] for name in self._columns}
        return {name: _type(name, kind) for name, kind in kinds.items()}

    @property
    def _others(self) -> str:
        counted = [one for one in self.found.known if METERS[one].side is Side.OTHER]
        return " + ".join(quantity(one) for one in (*counted, *self.found.own)) or "0"

    @property
    def _meters(self) -> tuple[str, ...]:
        return (*self.found.known, *self.found.own)

    @property
    def _cost(self) -> str:
        """The sum of a call's lines, or what was charged for it; NULL where it has neither."""
        amounts = [_amount(meter) for meter in self._meters]
        lines = [f"({quantity(one)} > 0 AND {_price(one)} IS NOT NULL)" for one in self._meters]
        if not lines:
            return "toDecimal128OrNull(charge, 18)"
        return (
            f"multiIf(charge != '', toDecimal128OrNull(charge, 18), "
            f"leaf AND ({' OR '.join(lines)}), {' + '.join(amounts)}, NULL)"
        )

    @property
    def _partial(self) -> str:
        """Whether more may have been used, or something has no price."""
        gaps = ["of_tariff = ''"]
        gaps += [f"({quantity(one)} > 0 AND {_price(one)} IS NULL)" for one in self._meters]
        for counted in (("request",), TIMED):
            none = " AND ".join(
                f"{quantity(one)} = 0" for one in counted if one in self.found.meters
            )
            gaps.append(f"({_price(counted[-1])} IS NOT NULL AND {none or '1'})")
        return (
            "sampled OR arrayExists(x -> endsWith(x, '/unknown'), known)"
            " OR arrayExists(x -> endsWith(x, '/at_least'), known)"
            f" OR (charge = '' AND used AND ({' OR '.join(gaps)}))"
        )


def _price(meter: str) -> str:
    return f"rates.{backticked(price(meter))}"


def _amount(meter: str) -> str:
    used = quantity(meter)
    billed = f"if({used} > 0, greatest({used}, rates.{backticked(least(meter))}), 0)"
    return f"ifNull({billed} * {_price(meter)}, toDecimal128(0, 18))"


def _type(name: str, kind: str) -> str:
    if name == "tags":
        return "Map(String, String)"
    if name == "own_usage":
        return "Map(String, Int64)"
    if kind.startswith("DECIMAL"):
        return "Nullable(Decimal(38, 18))"
    plain = _TYPES[kind]
    return f"Nullable({plain})" if name in ("waste", "currency") else plain
