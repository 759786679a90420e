"""FOCUS 1.2, of any provider: the rows about models.

Columns: https://focus.finops.org/focus-specification/v1-2/. The specification has no column for a
model or for what kind of token is meant; both are looked for in the product.
"""

import re

from agentmeter.model import Usage
from agentmeter.model.meters import METERS
from agentmeter.pricing.providers import canonical
from agentmeter.report.reconcile.bill import BillRow, Fields, Layout

_WHEN = ("ChargePeriodStart",)
_PROVIDERS = {
    "amazon web services": "aws",
    "google cloud": "google",
    "google cloud platform": "google",
    "microsoft": "azure",
    "microsoft azure": "azure",
}
_SAID = (
    (r"cache[ _-]?read|cached[ _-]?input", "cache_read"),
    (r"cache[ _-]?write", "cache_write"),
    (r"input|prompt", "input"),
    (r"output|completion", "output_unsplit"),
)
"""What a meter's name says → the meter, where it is not one of ours; the first that is found."""


def _row(fields: Fields) -> BillRow | None:
    if fields.text("ServiceCategory") != "AI and Machine Learning":
        return None
    if fields.text("ChargeCategory") not in ("Usage", None):
        return None
    name = fields.needed("ProviderName", "PublisherName").lower()
    meter = _meter(fields)
    return BillRow(
        fields.day(*_WHEN),
        canonical(_PROVIDERS.get(name, name)) or name,
        _model(fields, meter),
        fields.text("SubAccountId", "ResourceId"),
        _usage(fields, meter),
        fields.amount("BilledCost"),
        fields.needed("BillingCurrency"),
        fields.place,
        fields.text("PricingCategory") if fields.text("CommitmentDiscountId") else None,
        fields.text("RegionId"),
    )


def _model(fields: Fields, meter: str | None) -> str | None:
    """The product without the meter that ends it."""
    sku = fields.text("SkuId", "ResourceName", "SkuPriceId")
    said = fields.text("SkuMeter")
    if sku is None or said is None or meter is None:
        return sku
    return re.sub(rf"[/:, -]+{re.escape(said)}$", "", sku)


def _meter(fields: Fields) -> str | None:
    said = fields.text("SkuMeter", "ChargeDescription", "SkuId")
    if said is None or said in METERS:
        return said
    return next((meter for text, meter in _SAID if re.search(text, said, re.IGNORECASE)), None)


def _usage(fields: Fields, meter: str | None) -> Usage | None:
    count = fields.count("ConsumedQuantity")
    if meter is None or count is None:
        return None
    return fields.usage({meter: count})


EXPORT = Layout(
    "FOCUS",
    None,
    (frozenset({"BilledCost", "BillingCurrency", "ChargePeriodStart", "ProviderName"}),),
    _WHEN,
    _row,
)
