"""Whether a span came through a pipeline that keeps some traces and drops others.

The conventions write the sampler's threshold into the trace state (``ot=th:8`` keeps every second
trace, ``ot=th:0`` all of them; before that it was a power of two, ``ot=p:3``). On spans of ours the
name of a sampler that drops any stands beside it, since most samplers write nothing.
"""

import re

from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields

STATED = r"(^|,)\s*ot=([^,]*;)?(th:0*[1-9a-f]|p:0*[1-9])"
"""A trace state that says that not every trace was kept."""
_stated = re.compile(STATED)
_KEEPS_ALL = ("AlwaysOnSampler", "ParentBased{root:AlwaysOnSampler")


def is_sampled(fields: SpanFields) -> bool:
    """Whether a span says that others like it were dropped."""
    return names.SAMPLER in fields.attributes or (
        bool(fields.trace_state) and _stated.search(fields.trace_state) is not None
    )


def drops(description: str) -> bool:
    """Whether a sampler of the SDK that describes itself so drops any trace that begins here."""
    return not description.startswith(_KEEPS_ALL)
