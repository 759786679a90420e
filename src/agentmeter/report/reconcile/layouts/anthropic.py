"""Anthropic: the usage report of messages and the cost report, as pages of the Admin API or CSV.

Fields: https://docs.anthropic.com/en/api/admin-api/usage-cost. Amounts are decimal strings in
cents; output tokens contain the thinking, which is not told apart.
"""

from agentmeter.model.money import CONTEXT
from agentmeter.report.reconcile.bill import BillRow, Fields, Layout

PROVIDER = "anthropic"
_KEYS = ("api_key_id", "workspace_id")
_WHEN = ("starting_at",)


def _usage(fields: Fields) -> BillRow:
    told = fields.text("uncached_input_tokens") is not None
    quantities = {
        "input": fields.count("uncached_input_tokens"),
        "cache_read": fields.count("cache_read_input_tokens"),
        "cache_write_5m": fields.count("cache_creation.ephemeral_5m_input_tokens"),
        "cache_write_1h": fields.count("cache_creation.ephemeral_1h_input_tokens"),
        "output_unsplit": fields.count("output_tokens"),
        "web_search": fields.count("server_tool_use.web_search_requests"),
    }
    return BillRow(
        fields.day(*_WHEN),
        PROVIDER,
        fields.text("model"),
        fields.text(*_KEYS),
        fields.usage(quantities) if told else None,
        None,
        "USD",
        fields.place,
        fields.text("service_tier"),
        fields.text("inference_geo"),
    )


def _costs(fields: Fields) -> BillRow:
    cents = fields.amount("amount")
    return BillRow(
        fields.day(*_WHEN),
        PROVIDER,
        fields.text("model"),
        fields.text(*_KEYS),
        None,
        None if cents is None else cents.scaleb(-2, CONTEXT),
        (fields.text("currency") or "USD").upper(),
        fields.place,
        fields.text("service_tier"),
        fields.text("inference_geo"),
    )


USAGE = Layout(
    "Anthropic usage",
    PROVIDER,
    (frozenset({"starting_at", "uncached_input_tokens", "output_tokens"}),),
    _WHEN,
    _usage,
)
COSTS = Layout(
    "Anthropic costs",
    PROVIDER,
    (frozenset({"starting_at", "amount", "currency"}),),
    _WHEN,
    _costs,
    "the cost report leaves out Priority Tier",
)
