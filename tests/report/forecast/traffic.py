"""Simulated traffic: three features whose cost depends on the input in ways of their own."""

import math
from collections.abc import Iterator
from decimal import Decimal
from random import Random

from agentmeter.model import Owner
from agentmeter.report.forecast import Observation

FEATURES = ("chat", "research", "export")
START = 1_790_000_000_000_000_000
MINUTE = 60_000_000_000
_INPUT, _OUTPUT = Decimal("0.00000125"), Decimal("0.00001")


def simulated(
    seed: int,
    count: int,
    *,
    start: int = 0,
    dearer: float = 1.0,
    features: tuple[str, ...] = FEATURES,
) -> list[Observation]:
    """``count`` requests, one a minute from minute ``start``.

    A chat is one call with a lognormal answer; research is a loop of geometric length whose context
    grows; an export's output is Pareto (infinite variance) and grows with its input. ``dearer``
    multiplies the output.
    """
    random = Random(seed)
    return [_request(random, start + number, dearer, features) for number in range(count)]


def _request(random: Random, minute: int, dearer: float, features: tuple[str, ...]) -> Observation:
    feature = random.choice(features)
    input_tokens = 20 + int(math.exp(random.gauss(6.5, 0.9)))
    calls = list(_calls(random, feature, input_tokens, dearer))
    spent, cost, tokens = [], Decimal(0), 0
    for taken, given in calls:
        cost += taken * _INPUT + given * _OUTPUT
        tokens += taken + given
        spent.append((cost, tokens))
    return Observation(
        f"{minute:032x}",
        START + minute * MINUTE,
        Owner(user=f"u-{random.randrange(20)}", feature=feature),
        "gpt-5",
        input_tokens,
        cost,
        tokens,
        tuple(spent),
    )


def _calls(
    random: Random, feature: str, input_tokens: int, dearer: float
) -> Iterator[tuple[int, int]]:
    """(input, output) tokens of each call."""
    if feature == "chat":
        yield input_tokens, 1 + int(dearer * math.exp(random.gauss(5, 0.5)))
    elif feature == "export":
        size = 300 * random.paretovariate(1.3) * (1 + input_tokens / 1000)
        yield input_tokens, 1 + int(dearer * size)
    else:
        context = input_tokens
        for _ in range(40):
            answer = 1 + int(dearer * math.exp(random.gauss(5, 0.8)))
            yield context, answer
            context += answer + 400
            if random.random() > 0.6:
                return
