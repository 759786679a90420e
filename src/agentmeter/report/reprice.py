"""The same traffic at other terms: another model, another price list, the prices of another day.

Nothing is run again: the calls that are recorded keep their usage, and a pricer is asked once more
what they would have cost. What it has no price for is a gap, and a difference that rests on a gap
on either side is *partial*.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase

from agentmeter.attribution.node import Node, RequestView, nodes
from agentmeter.attribution.view import view
from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Entry
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.keys import key_of
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced
from agentmeter.report.report import (
    Amounts,
    Missing,
    Report,
    RequestReport,
    ScopeReport,
    added,
    of_views,
    walk,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked otherwise.

    ``models`` are pairs of a glob over the model that answered and the model taken in its place,
    of which the first that matches holds; ``at_ns`` is the instant whose prices every call gets
    (ns since the epoch, UTC), ``None`` for each call's own. Without ``others`` the calls of models
    that stay keep what they cost.
    """

    models: tuple[tuple[str, str], ...] = ()
    at_ns: int | None = None
    others: bool = True

    def model(self, name: str | None) -> str | None:
        """The model that takes the place of ``name``; ``None`` where it stays."""
        if name is None:
            return None
        return next((to for glob, to in self.models if fnmatchcase(name.lower(), glob)), None)


def replacement(text: str) -> tuple[str, str]:
    """A pair of ``Terms.models`` from ``FROM=TO``. Raises ``ConfigurationError``."""
    glob, mark, to = text.partition("=")
    if not mark or not glob.strip() or not to.strip():
        raise ConfigurationError(
            f"model: expected FROM=TO such as 'gpt-5*=gpt-5-mini', got {text!r}"
        )
    return glob.strip().lower(), to.strip()


@dataclass(frozen=True, slots=True)
class Change:
    """An amount as it was and as it would have been.

    ``partial`` says that one of the two leaves something out, so that the difference does too.
    """

    before: Amounts
    after: Amounts
    partial: bool = False

    @property
    def difference(self) -> Amounts:
        """After less before, by currency."""
        return added(
            [self.after, {code: amount.copy_negate() for code, amount in self.before.items()}]
        )


@dataclass(frozen=True, slots=True)
class ModelChange:
    """The calls of one model, and the model that they are priced as."""

    model: str | None
    priced_as: str | None
    calls: int
    change: Change


@dataclass(frozen=True, slots=True)
class Repriced:
    """The report as recorded beside the same traffic at other terms; the requests pair up."""

    terms: Terms
    before: Report
    after: Report
    tariffs: Mapping[str, Tariff]

    @property
    def requests(self) -> tuple[tuple[RequestReport, Change], ...]:
        """Each request at the new terms, with its change; unattributed work is in the total."""
        pairs = zip(self.before.requests, self.after.requests, strict=True)
        return tuple((after, _change(before, after)) for before, after in pairs)

    @property
    def total(self) -> Change:
        """All of it, unattributed work included."""
        parts = (*_parts(self.before), *_parts(self.after))
        partial = any(one.missing or one.view.may_lack_calls for one in parts)
        return Change(self.before.amounts, self.after.amounts, partial)

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What the new terms have no price for, summed over the requests."""
        sums: dict[tuple[str | None, str, str], int | None] = {}
        for gap in (gap for part in _parts(self.after) for gap in part.missing):
            key = (gap.model, gap.meter, gap.reason)
            known = sums.get(key, 0)
            unknown = known is None or gap.quantity is None
            sums[key] = None if unknown else (known or 0) + (gap.quantity or 0)
        return tuple(
            Missing(model, meter, quantity, reason)
            for (model, meter, reason), quantity in sorted(sums.items(), key=str)
        )

    def by_model(self) -> tuple[ModelChange, ...]:
        """The change by model; charges, which have none, are left out. The dearest first."""
        found: dict[tuple[str | None, str | None], list[tuple[ScopeReport, ScopeReport]]] = {}
        for before, after in self._leaves():
            key = (_model(before), _model(after))
            found.setdefault(key, []).append((before, after))
        rows = [_model_change(key, pairs) for key, pairs in found.items()]
        return tuple(
            sorted(rows, key=lambda row: (_sum(row.change.before).copy_negate(), str(row.model)))
        )

    def _leaves(self) -> Iterator[tuple[ScopeReport, ScopeReport]]:
        for before, after in zip(_parts(self.before), _parts(self.after), strict=True):
            for one, other in zip(walk(before.tree), walk(after.tree), strict=True):
                call = one.record.call
                if one.node.is_call and call is not None and call.charge is None:
                    yield one, other


def reprice(
    entries: Iterable[Entry],
    tariffs: Mapping[str, Tariff],
    pricer: Pricer,
    terms: Terms,
    *,
    faults: Mapping[str, int] | None = None,
) -> Repriced:
    """The same ``entries`` at other terms, beside what they cost by the tariffs they name."""
    views = view(entries)
    asked = _Asked(pricer, terms, {} if terms.others else dict(tariffs))
    repriced = [asked.request(one) for one in views]
    return Repriced(
        terms,
        of_views(views, tariffs, faults=faults),
        of_views(repriced, asked.tariffs, faults=faults),
        asked.tariffs,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Asks the pricer for every call, and keeps the tariffs it answers with."""

    pricer: Pricer
    terms: Terms
    tariffs: dict[str, Tariff]

    def request(self, one: RequestView) -> RequestView:
        """The request with every call at the new terms, built from the leaves up."""
        made: dict[int, Node] = {}
        for node in reversed(list(nodes(one.root))):
            children = tuple(made[id(child)] for child in node.children)
            made[id(node)] = self._node(replace(node, children=children))
        return replace(one, root=made[id(one.root)])

    def _node(self, node: Node) -> Node:
        call = node.record.call
        if not node.is_call or call is None or call.charge is not None or not node.whole:
            return node
        if not self.terms.others and self.terms.model(call.priced_model) is None:
            return node
        key, answer = self._answer(key_of(call))
        if isinstance(answer, Unpriced):
            new = replace(call, tariff=None, unpriced=answer.reason)
        else:
            self.tariffs[answer.digest] = answer
            new = replace(call, tariff=answer.digest, unpriced=None)
        if key.model != call.priced_model:
            new = replace(new, provider=key.provider, model=key.model, response_model=key.model)
        return replace(node, record=replace(node.record, call=new))

    def _answer(self, key: PriceKey) -> tuple[PriceKey, Tariff | Unpriced]:
        first: tuple[PriceKey, Tariff | Unpriced] | None = None
        for asked in _keys(key, self.terms.model(key.model)):
            answer = self.pricer.tariff(asked)
            if isinstance(answer, Tariff):
                return asked, self._dated(answer)
            first = first or (asked, answer)
        assert first is not None
        return first

    def _dated(self, tariff: Tariff) -> Tariff:
        if self.terms.at_ns is None:
            return tariff
        rates = held_at(tariff.rates, self.terms.at_ns)
        return Tariff(tariff.key, tariff.currency, tariff.version, rates)


def _keys(key: PriceKey, model: str | None) -> Iterator[PriceKey]:
    """What to ask: the same provider first, then the one that is named, then the model's own."""
    if model is None:
        yield key
        return
    yield replace(key, model=model)
    provider, mark, name = model.partition("/")
    if mark and canonical(provider) != canonical(key.provider):
        yield PriceKey(provider, name, key.tier, key.batch)
    elif mark:
        yield replace(key, model=name)
    yield PriceKey(None, model, key.tier, key.batch)


def replaced(made: Repriced) -> Iterator[tuple[str, list[ModelChange]]]:
    """The models that each pair was about, by what took their place.

    Raises ``ConfigurationError`` for a pair that no call was made of.
    """
    rows = made.by_model()
    for glob, to in made.terms.models:
        mine = [row for row in rows if fnmatchcase((row.model or "").lower(), glob)]
        if not mine:
            names = ", ".join(sorted({row.model for row in rows if row.model is not None}))
            raise ConfigurationError(f"model: no call was made of {glob!r}; there are {names}")
        yield to, mine


def swapped(made: Repriced) -> Report:
    """The report at the new terms, in which every pair of models took the place of some calls.

    Raises ``ConfigurationError`` for a pair that no call was made of, or that has no price.
    """
    reasons = {gap.model: gap.reason for gap in made.missing}
    for to, mine in replaced(made):
        for row in mine:
            unpriced = row.change.partial and not any(row.change.after.values())
            if unpriced and made.terms.model(row.model) == to:
                raise ConfigurationError(f"model: {to!r}: {reasons[row.priced_as]}")
    return made.after


def held_at(rates: Iterable[Rate], at_ns: int) -> tuple[Rate, ...]:
    """The rows that held at an instant, holding always; daily windows and steps stay.

    A row that began later still goes before one that began earlier: their beginnings are moved to
    the nanoseconds before the epoch, in order.
    """
    then = [
        rate
        for rate in rates
        if (rate.from_ns is None or at_ns >= rate.from_ns)
        and (rate.until_ns is None or at_ns < rate.until_ns)
    ]
    starts = sorted({rate.from_ns for rate in then if rate.from_ns is not None})
    moved = {start: place - len(starts) for place, start in enumerate(starts)}
    return tuple(
        replace(rate, from_ns=None if rate.from_ns is None else moved[rate.from_ns], until_ns=None)
        for rate in then
    )


def _parts(report: Report) -> tuple[RequestReport, ...]:
    return (*report.requests, *([report.unattributed] if report.unattributed else []))


def _change(before: RequestReport, after: RequestReport) -> Change:
    return Change(before.amounts, after.amounts, bool(before.missing or after.missing))


def _model(scope: ScopeReport) -> str | None:
    return scope.record.call.priced_model if scope.record.call else None


def _model_change(
    key: tuple[str | None, str | None], pairs: list[tuple[ScopeReport, ScopeReport]]
) -> ModelChange:
    before, after = added(one.direct for one, _ in pairs), added(one.direct for _, one in pairs)
    partial = any(scope.cost.gaps for pair in pairs for scope in pair)
    calls = sum(one.record.call.calls for one, _ in pairs if one.record.call)
    return ModelChange(*key, calls, Change(before, after, partial))


def _sum(amounts: Amounts) -> Decimal:
    result = Decimal(0)
    for amount in amounts.values():
        result = CONTEXT.add(result, amount)
    return result
