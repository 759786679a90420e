"""What should we charge? A day of traffic, three plans, and the fee that pays for it.

A small agent is run for a day of seeded requests: most of them are short chats, some are research
that branches, retries and fails now and then. agentmeter keeps what each request truly cost; the
plans of ``plans.toml`` are then put over the day.

    python examples/what_should_we_charge.py
"""

import random
from pathlib import Path

import agentmeter as am
from agentmeter.pricing.plans import PlanBook
from agentmeter.report.compare import Comparison, compare
from agentmeter.report.compare_text import comparison_text
from agentmeter.report.report import Report
from agentmeter.report.traffic import traffic_of
from agentmeter.testing import metered

USERS = 60
REQUESTS = 600
PLANS = Path(__file__).with_name("plans.toml")


def ask(model: str, tokens_in: int, tokens_out: int, cached: int = 0) -> None:
    """One model call, as a client without an integration reports it."""
    with am.call(provider="openai", model=model) as call:
        call.record(am.Usage(input=tokens_in, cache_read=cached, output=tokens_out))


@am.agent
def chat(rng: random.Random) -> None:
    """A question and its answer."""
    ask("gpt-5-mini", rng.randrange(200, 2_000), rng.randrange(50, 600))


@am.agent
def research(rng: random.Random) -> None:
    """A loop whose context grows with every turn; one run in ten ends in an error."""
    context = rng.randrange(1_000, 4_000)
    for _ in range(int(min(rng.paretovariate(1.1), 25)) + 1):
        am.charge("serpapi.search", usd="0.005")
        found = rng.randrange(1_000, 6_000)
        ask("gpt-5", found, rng.randrange(200, 1_500), cached=context)
        context += found
    if rng.random() < 0.1:
        raise RuntimeError("no answer was found")


def a_day(seed: int = 7) -> Report:
    """The report over a day of requests, metered in memory."""
    rng = random.Random(seed)
    with metered() as kept:
        for _ in range(REQUESTS):
            user = f"user-{int(rng.triangular(0, USERS, 0)):02}"
            feature = "research" if rng.random() < 0.15 else "chat"
            try:
                with am.request("ask", user=user, feature=feature, plan="per answer"):
                    (research if feature == "research" else chat)(rng)
            except RuntimeError:
                pass
        return kept.report()


def compared(report: Report) -> Comparison:
    """The day under each plan."""
    book = PlanBook.from_text(PLANS.read_text("utf-8"), str(PLANS))
    traffic = traffic_of(report, book.currency, book.rate)
    return compare(traffic, book, random.Random(0))


def answer(made: Comparison) -> str:
    """What to charge, and which of the plans earns most."""
    assert made.break_even is not None
    best = max(made.plans, key=lambda one: one.margin.margin)
    fees = made.break_even
    return (
        f"What should we charge? {fees.with_margin['20']} a request for a margin of 20 %; "
        f"{fees.at_confidence['95']} to cover cost on 95 of 100 days like this one.\n"
        f"Of the three plans {best.plan!r} leaves most: {best.margin.margin:.2f} {made.currency}, "
        f"and {best.margin.losing_users} of {best.margin.users} users cost more than they pay."
    )


def main() -> None:
    """Run the day and print the comparison."""
    made = compared(a_day())
    print(comparison_text(made))
    print()
    print(answer(made))


if __name__ == "__main__":
    main()
