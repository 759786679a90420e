"""An OpenAI client on a scripted server, metered, whose late answers are forgotten afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import agentmeter as am
from agentmeter.testing import ModelServer, Reply
from agentmeter_openai.later import AWAITED, BATCHES


@contextmanager
def served(reply: Reply) -> Iterator[ModelServer]:
    """A server that answers so; what is awaited of it does not outlive the test."""
    with ModelServer(default=reply) as server:
        am.instrument("openai")
        yield server
        am.uninstrument()
        AWAITED.forget()
        BATCHES.forget()
