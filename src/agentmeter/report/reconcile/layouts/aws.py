"""AWS: Bedrock's line items of a Cost and Usage Report, version 2.0 or the older one.

Columns: https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html; usage types:
https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html, such as
``USE1-Claude4.6Sonnet-input-tokens``. The older report writes ``lineItem/UsageType`` for
``line_item_usage_type``.
"""

import re
from decimal import Decimal

from agentmeter.model import Usage
from agentmeter.model.money import CONTEXT
from agentmeter.report.reconcile.bill import BillRow, FieldError, Fields, Layout

PROVIDER = "aws"
_WHEN = ("line_item_usage_start_date", "lineItem/UsageStartDate")
_TYPE = ("line_item_usage_type", "lineItem/UsageType")
_PRODUCT = (
    "line_item_product_code",
    "lineItem/ProductCode",
    "product_servicecode",
    "product/servicecode",
)
_KIND = ("line_item_line_item_type", "lineItem/LineItemType")
_COST = ("line_item_unblended_cost", "lineItem/UnblendedCost")
_AMOUNT = ("line_item_usage_amount", "lineItem/UsageAmount")
_UNIT = ("pricing_unit", "pricing/unit")
_CURRENCY = ("line_item_currency_code", "lineItem/CurrencyCode")
_KEYS = (
    "line_item_iam_principal",
    "line_item_resource_id",
    "lineItem/ResourceId",
    "line_item_usage_account_id",
    "lineItem/UsageAccountId",
)
_USED = ("Usage", "DiscountedUsage")

_METERS = (
    (r"cache-?read-?input-?token-?count", "cache_read"),
    (r"cache-?write-?1h-?input-?token-?count", "cache_write_1h"),
    (r"cache-?write-?input-?token-?count", "cache_write"),
    (r"input-?token(s|-?count)", "input"),
    (r"output-?token(s|-?count)", "output_unsplit"),
)
"""What a usage type says → the meter; the first that is found in it."""

_USAGE_TYPE = re.compile(
    r"(?:(?P<region>[A-Z]{2,4}\d?)-)?(?P<model>.+?)-(?:mantle-|batch-|flex-|priority-)*"
    r"(?:cache-?(?:read|write)[-\w]*?|input-?token|output-?token)",
    re.IGNORECASE,
)
_TIERS = ("batch", "flex", "priority")
_PER = {"k": 1_000, "m": 1_000_000}


def _row(fields: Fields) -> BillRow | None:
    product, kind = fields.text(*_PRODUCT) or "", fields.text(*_KIND) or "Usage"
    if "bedrock" not in product.lower() or kind not in _USED:
        return None
    usage_type = fields.needed(*_TYPE)
    named = _USAGE_TYPE.match(usage_type)
    return BillRow(
        fields.day(*_WHEN),
        PROVIDER,
        named["model"] if named else None,
        fields.text(*_KEYS),
        _quantity(fields, usage_type),
        fields.amount(*_COST),
        (fields.text(*_CURRENCY) or "USD").upper(),
        fields.place,
        next((tier for tier in _TIERS if tier in usage_type.lower()), None),
        named["region"] if named else None,
    )


def _quantity(fields: Fields, usage_type: str) -> Usage | None:
    meter = next((name for said, name in _METERS if re.search(said, usage_type, re.I)), None)
    amount = fields.amount(*_AMOUNT)
    if meter is None or amount is None:
        return None
    count = CONTEXT.multiply(amount, Decimal(_per(fields.text(*_UNIT) or "tokens")))
    if count < 0 or count != count.to_integral_value():
        raise FieldError(f"{fields.place}: {_AMOUNT[0]}: {amount} is no whole number of tokens")
    return fields.usage({meter: int(count)})


def _per(unit: str) -> int:
    """How many tokens one of a unit is: ``1K tokens``, ``1M tokens``, ``Tokens``."""
    size = re.match(r"1\s*([KM])\b|1([KM])", unit, re.IGNORECASE)
    return _PER[(size[1] or size[2]).lower()] if size else 1


REPORT = Layout(
    "AWS cost and usage",
    PROVIDER,
    (
        frozenset({_WHEN[0], _TYPE[0], _COST[0]}),
        frozenset({_WHEN[1], _TYPE[1], _COST[1]}),
    ),
    _WHEN,
    _row,
)
