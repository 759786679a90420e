"""OpenLIT: the conventions' names, with cached tokens beside the input for Anthropic."""

from dataclasses import replace

from agentmeter.semconv.dialects.dialect import Dialect
from agentmeter.semconv.dialects.otel import OTEL
from agentmeter.semconv.fields import SpanFields


def _inclusive(fields: SpanFields) -> bool:
    system = fields.attributes.get("gen_ai.provider.name", fields.attributes.get("gen_ai.system"))
    return system != "anthropic"


def _recognises(fields: SpanFields) -> bool:
    sdk = fields.attributes.get("telemetry.sdk.name")
    return sdk == "openlit" or fields.scope.startswith("openlit")


OPENLIT: Dialect = replace(
    OTEL,
    name="openlit",
    recognises=_recognises,
    inclusive=_inclusive,
    kept=("gen_ai.usage.cost",),
)
