"""A report as rows of the FinOps Open Cost and Usage Specification (FOCUS), version 1.2.

One row for each meter of a call, with the adjustments to its price in it, and for each charge.
What has no price has no row, since every cost column demands a number and unknown is not zero;
``left_out`` counts it. The list cost is that before discounts; the other three costs are equal:
what is paid is what the tariff says, and no invoice is known.

Columns and their rules: https://focus.finops.org/focus-specification/v1-2/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from agentmeter.model import Call
from agentmeter.model.meters import METERS
from agentmeter.model.money import times, total
from agentmeter.pricing.cost import Line
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.tariff import DISCOUNT
from agentmeter.report.report import Report, RequestReport, ScopeReport, walk

STRING, DECIMAL, INSTANT = "string", "decimal", "date/time"

COLUMNS = MappingProxyType(
    {
        "BilledCost": DECIMAL,
        "BillingAccountId": STRING,
        "BillingAccountName": STRING,
        "BillingCurrency": STRING,
        "BillingPeriodEnd": INSTANT,
        "BillingPeriodStart": INSTANT,
        "ChargeCategory": STRING,
        "ChargeClass": STRING,
        "ChargeDescription": STRING,
        "ChargeFrequency": STRING,
        "ChargePeriodEnd": INSTANT,
        "ChargePeriodStart": INSTANT,
        "CommitmentDiscountStatus": STRING,
        "ConsumedQuantity": DECIMAL,
        "ConsumedUnit": STRING,
        "ContractedCost": DECIMAL,
        "ContractedUnitPrice": DECIMAL,
        "EffectiveCost": DECIMAL,
        "InvoiceId": STRING,
        "InvoiceIssuerName": STRING,
        "ListCost": DECIMAL,
        "ListUnitPrice": DECIMAL,
        "PricingCategory": STRING,
        "PricingCurrency": STRING,
        "PricingCurrencyContractedUnitPrice": DECIMAL,
        "PricingCurrencyEffectiveCost": DECIMAL,
        "PricingCurrencyListUnitPrice": DECIMAL,
        "PricingQuantity": DECIMAL,
        "PricingUnit": STRING,
        "ProviderName": STRING,
        "PublisherName": STRING,
        "RegionId": STRING,
        "RegionName": STRING,
        "ServiceCategory": STRING,
        "ServiceName": STRING,
        "ServiceSubcategory": STRING,
        "SkuId": STRING,
        "SkuMeter": STRING,
        "SkuPriceDetails": STRING,
        "SkuPriceId": STRING,
        "Tags": STRING,
        "x_RateAssumption": STRING,
        "x_RateSource": STRING,
        "x_ScopeId": STRING,
    }
)
"""Every mandatory column, and the conditional ones that records have something for; ours last."""

_COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "PricingCurrencyEffectiveCost")
_PRICES = ("ContractedUnitPrice", "PricingCurrencyContractedUnitPrice")
UNITS = {
    "character": "Characters",
    "classification": "Classifications",
    "fetch": "Fetches",
    "image": "Images",
    "message": "Messages",
    "millisecond": "Milliseconds",
    "page": "Pages",
    "query": "Queries",
    "request": "Requests",
    "search": "Searches",
    "search unit": "Search Units",
    "second": "Seconds",
    "session": "Sessions",
    "source": "Sources",
    "token": "Tokens",
    "unit": "Units",
}
"""A meter's unit as FOCUS writes units: capitalised plurals."""

_MODELS = ("AI and Machine Learning", "Generative AI")
_OTHERS = ("Other", "Other (Other)")
_UNKNOWN = "unknown"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FocusRow = dict[str, Any]
"""A row: ``str``, ``Decimal``, an aware ``datetime`` in whole seconds of UTC, or ``None``."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A call of a request, and the account that it is billed to."""

    request: RequestReport
    scope: ScopeReport
    account: str | None

    @property
    def call(self) -> Call:
        call = self.scope.record.call
        assert call is not None
        return call

    @property
    def provider(self) -> str:
        """The provider; of a charge such as ``serpapi.search`` what stands before the dot."""
        if self.call.charge is not None and self.call.provider is None:
            return self.scope.record.name.partition(".")[0]
        return canonical(self.call.provider) or _UNKNOWN


def focus_rows(report: Report, account: str | None = None) -> Iterator[FocusRow]:
    """The rows; ``account`` is the billing account's id, that of the provider where ``None``."""
    for leaf in _leaves(report, account):
        adjustments: dict[str, list[Line]] = {}
        for line in leaf.scope.cost.lines:
            if line.of is not None:
                adjustments.setdefault(line.of, []).append(line)
        for line in leaf.scope.cost.lines:
            if line.of is None:
                row = _row(leaf, line, adjustments.get(line.meter, []))
                yield {**dict.fromkeys(COLUMNS), **row}


def left_out(report: Report) -> int:
    """How many quantities are in no row because they have no price, or are not known."""
    return sum(len(leaf.scope.cost.gaps) for leaf in _leaves(report, None))


def _leaves(report: Report, account: str | None) -> Iterator[_Leaf]:
    parts = [*report.requests, *([report.unattributed] if report.unattributed else [])]
    for request in parts:
        for scope in walk(request.tree):
            if scope.node.is_call:
                yield _Leaf(request, scope, account)


def _row(leaf: _Leaf, line: Line, adjustments: list[Line]) -> FocusRow:
    return {
        **_costs(line, adjustments),
        **_account(leaf),
        **_period(leaf),
        **_quantities(leaf, line),
        **_service(leaf),
        **_sku(leaf, line),
        "Tags": _json(_tags(leaf.request)),
        "x_RateAssumption": line.assumed,
        "x_RateSource": line.source,
        "x_ScopeId": leaf.scope.record.scope_id,
    }


def _costs(line: Line, adjustments: list[Line]) -> FocusRow:
    """The costs, and the unit prices where their product with the quantity is the cost.

    It is not for a share of work that several requests are billed for.
    """
    at_list = [line, *(one for one in adjustments if one.meter != DISCOUNT)]
    cost, price = _summed([line, *adjustments])
    list_cost, list_price = _summed(at_list)
    return {
        **dict.fromkeys(_COSTS, cost),
        **dict.fromkeys(_PRICES, price),
        "ListCost": list_cost,
        "ListUnitPrice": list_price,
        "PricingCurrencyListUnitPrice": list_price,
    }


def _summed(lines: list[Line]) -> tuple[Decimal, Decimal | None]:
    cost, price = total([one.amount for one in lines]), total([one.unit_price for one in lines])
    return cost, price if times(lines[0].quantity, price) == cost else None


def _account(leaf: _Leaf) -> FocusRow:
    return {
        "BillingAccountId": leaf.account or leaf.provider,
        "BillingCurrency": leaf.scope.cost.currency,
        "InvoiceIssuerName": leaf.provider,
        "PricingCurrency": leaf.scope.cost.currency,
        "ProviderName": leaf.provider,
        "PublisherName": leaf.provider,
    }


def _period(leaf: _Leaf) -> FocusRow:
    """The call's time, widened to whole seconds, and the calendar month (UTC) that it began in."""
    record = leaf.scope.record
    start = _EPOCH + timedelta(seconds=record.started_ns // 1_000_000_000)
    end = _EPOCH + timedelta(seconds=-(-record.ended_ns // 1_000_000_000))
    month = start.replace(day=1, hour=0, minute=0, second=0)
    return {
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": max(end, start + timedelta(seconds=1)),
        "BillingPeriodStart": month,
        "BillingPeriodEnd": (month + timedelta(days=32)).replace(day=1),
    }


def _quantities(leaf: _Leaf, line: Line) -> FocusRow:
    """What was used, and what is billed: more where the rate has a minimum."""
    known = METERS.get(line.meter)
    unit = UNITS[known.unit if known is not None else "unit"]
    return {
        "ConsumedQuantity": Decimal(leaf.scope.node.usage.get(line.meter, line.quantity)),
        "ConsumedUnit": unit,
        "PricingCategory": "Standard",
        "PricingQuantity": Decimal(line.quantity),
        "PricingUnit": unit,
    }


def _service(leaf: _Leaf) -> FocusRow:
    category, subcategory = _OTHERS if leaf.call.charge is not None else _MODELS
    region = leaf.call.region
    return {
        "ServiceCategory": category,
        "ServiceName": leaf.provider,
        "ServiceSubcategory": subcategory,
        "RegionId": region,
        "RegionName": region,
    }


def _sku(leaf: _Leaf, line: Line) -> FocusRow:
    """A product is a model's meter; its price is that of a tariff, which the digest names."""
    call = leaf.call
    model = leaf.scope.record.name if call.charge is not None else call.priced_model or _UNKNOWN
    sku = model if call.charge is not None else f"{model}/{line.meter}"
    details = {
        "x_ServiceTier": call.service_tier,
        "x_Batch": call.batch or None,
        "x_Speed": call.speed,
        "x_Deployment": call.deployment,
        "x_SearchContext": call.search_context,
    }
    told = {name: value for name, value in details.items() if value is not None}
    return {
        "ChargeDescription": f"{model}: {line.meter}" if call.charge is None else model,
        "SkuId": sku,
        "SkuMeter": line.meter,
        "SkuPriceId": f"{sku}@{call.tariff}" if call.tariff else sku,
        "SkuPriceDetails": _json(told) if told else None,
    }


def _tags(request: RequestReport) -> dict[str, str]:
    owner = request.view.owner
    ours = {
        "agentmeter:request_id": request.request_id,
        "agentmeter:user": owner.user,
        "agentmeter:tenant": owner.tenant,
        "agentmeter:feature": owner.feature,
        "agentmeter:plan": owner.plan,
    }
    return {**owner.tags, **{name: value for name, value in ours.items() if value is not None}}


def _json(value: dict[str, Any]) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, sort_keys=True)
