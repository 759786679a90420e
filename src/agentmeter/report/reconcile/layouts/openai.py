"""OpenAI: the organization's usage and costs, as pages of the API and as CSV of the dashboard.

Fields: https://platform.openai.com/docs/api-reference/usage. Input tokens contain the cached ones
and output tokens the reasoning, which is not told apart.
"""

from agentmeter.model import Usage
from agentmeter.report.reconcile.bill import BillRow, Fields, Layout

PROVIDER = "openai"
_KEYS = ("api_key_id", "project_id")
_WHEN = ("start_time",)


def _usage(fields: Fields) -> BillRow:
    return BillRow(
        fields.day(*_WHEN),
        PROVIDER,
        fields.text("model"),
        fields.text(*_KEYS),
        _quantities(fields),
        None,
        "USD",
        fields.place,
        "batch" if (fields.text("batch") or "").lower() == "true" else fields.text("service_tier"),
    )


def _quantities(fields: Fields) -> Usage | None:
    text = fields.count("input_text_tokens", "input_tokens")
    if text is None:
        return None
    cached = fields.count("input_cached_text_tokens", "input_cached_tokens") or 0
    audio = fields.count("input_audio_tokens") or 0
    cached_audio = fields.count("input_cached_audio_tokens") or 0
    return fields.usage(
        {
            "input": text - cached,
            "cache_read": cached,
            "input_audio": audio - cached_audio,
            "cache_read_audio": cached_audio,
            "input_image": fields.count("input_image_tokens"),
            "output_unsplit": fields.count("output_text_tokens", "output_tokens"),
            "output_audio": fields.count("output_audio_tokens"),
        }
    )


def _costs(fields: Fields) -> BillRow:
    item = fields.text("line_item")
    model = item.split(",")[0].split("|")[-1].strip() if item is not None else None
    tier = "batch" if item is not None and "batch" in item.lower() else None
    currency = (fields.text("amount.currency", "amount_currency") or "usd").upper()
    return BillRow(
        fields.day(*_WHEN),
        PROVIDER,
        model,
        fields.text(*_KEYS),
        None,
        fields.amount("amount.value", "amount_value"),
        currency,
        fields.place,
        tier,
    )


USAGE = Layout(
    "OpenAI usage",
    PROVIDER,
    (frozenset({"start_time", "input_tokens", "num_model_requests"}),),
    _WHEN,
    _usage,
)
COSTS = Layout(
    "OpenAI costs",
    PROVIDER,
    (
        frozenset({"start_time", "amount.value", "amount.currency"}),
        frozenset({"start_time", "amount_value", "amount_currency"}),
    ),
    _WHEN,
    _costs,
)
