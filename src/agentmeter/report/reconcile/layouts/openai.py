"""OpenAI: the organization's usage and costs, as pages of the API and as CSV of the dashboard.

Fields: https://platform.openai.com/docs/api-reference/usage. Input tokens contain the cached ones
and output tokens the reasoning, which is not told apart.
"""

from agentmeter.model import Usage
from agentmeter.report.reconcile.bill import BillRow, Fields, Layout

PROVIDER = "openai"
_KEYS = ("api_key_id", "project_id")
_WHEN = ("start_time",)
_COUNTS = {
    "input": ("input_text_tokens", "input_tokens"),
    "input_audio": ("input_audio_tokens",),
    "input_image": ("input_image_tokens",),
    "output_unsplit": ("output_text_tokens", "output_tokens"),
    "output_audio": ("output_audio_tokens",),
    "output_image": ("output_image_tokens",),
    "image": ("images",),
    "character": ("characters",),
    "audio_second": ("seconds",),
    "code_interpreter": ("num_sessions",),
}
"""Meter → the fields of it, wholes with what was cached still in them."""


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
    counted = {meter: fields.count(*names) for meter, names in _COUNTS.items()}
    if all(count is None for count in counted.values()):
        return None
    text = counted["input"] or 0
    cached = fields.count("input_cached_text_tokens", "input_cached_tokens") or 0
    audio = counted["input_audio"] or 0
    cached_audio = fields.count("input_cached_audio_tokens") or 0
    parts = {
        "input": text - cached,
        "cache_read": cached,
        "input_audio": audio - cached_audio,
        "cache_read_audio": cached_audio,
    }
    return fields.usage(counted | parts)


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
    (
        frozenset({"start_time", "input_tokens", "num_model_requests"}),
        frozenset({"start_time", "images", "num_model_requests"}),
        frozenset({"start_time", "characters", "num_model_requests"}),
        frozenset({"start_time", "seconds", "num_model_requests"}),
        frozenset({"start_time", "num_sessions"}),
    ),
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
