"""OpenRouter: activity by day from its API, and the log of generations as CSV.

Fields: https://openrouter.ai/docs/api-reference/analytics/get-user-activity. Completion tokens
contain the reasoning; amounts are credits, one for a dollar. Spend on keys of one's own
(``byok_usage_inference``) is billed by the provider, and not in the amount.
"""

from agentmeter.report.reconcile.bill import BillRow, Fields, Layout

PROVIDER = "openrouter"
_WHEN = ("date", "created_at")


def _row(fields: Fields) -> BillRow:
    prompt = fields.count("prompt_tokens", "tokens_prompt") or 0
    completion = fields.count("completion_tokens", "tokens_completion") or 0
    reasoning = fields.count("reasoning_tokens", "tokens_reasoning")
    cached = fields.count("tokens_cached", "cached_tokens")
    quantities = (
        {"input_unsplit": prompt}
        if cached is None
        else {"input": prompt - cached, "cache_read": cached}
    ) | (
        {"output_unsplit": completion}
        if reasoning is None
        else {"output": completion - reasoning, "reasoning": reasoning}
    )
    return BillRow(
        fields.day(*_WHEN),
        PROVIDER,
        fields.text("model_permaslug", "model"),
        fields.text("api_key_name", "app_name"),
        fields.usage(quantities),
        fields.amount("usage", "cost_total"),
        "USD",
        fields.place,
    )


ACTIVITY = Layout(
    "OpenRouter activity",
    PROVIDER,
    (
        frozenset({"date", "usage", "prompt_tokens", "completion_tokens"}),
        frozenset({"created_at", "cost_total", "tokens_prompt", "tokens_completion"}),
    ),
    _WHEN,
    _row,
)
