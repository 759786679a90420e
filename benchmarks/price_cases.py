"""The cases of the tests, priced by agentmeter, by genai-prices alone and by litellm: who is right.

All three are given the same usage by meter, in the shape that each of them takes, and every
condition that it has a parameter for. litellm runs in an environment of its own, made below
``.venvs`` and kept. Writes ``docs/prices.md``:

    python -m benchmarks.price_cases > docs/prices.md
"""

import json
import os
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import Usage as TheirUsage
from tests.pricing.cases import Case, cases

from agentmeter.model import Usage
from agentmeter.model.money import plain
from agentmeter.model.providers import canonical
from agentmeter.pricing import Cached, Catalog, PriceKey
from agentmeter.pricing.rates import ordinary, tier_of
from agentmeter.report.priced import asked, priced, status

LITELLM = "1.106.2"
ROOT = Path(__file__).parents[1]
CLOSE = Decimal("1e-8")
"""litellm computes in floats: this much of the amount is not held against it."""

CATALOG = Cached(Catalog())
THEIRS = DataSnapshot(providers=providers, from_auto_update=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An amount, or that it declined."""

    amount: Decimal | None
    why: str = ""

    def verdict(self, case: Case) -> str:
        """How it compares with what the case expects."""
        if case.status != "priced":
            return "right" if self.amount is None else "priced what has no price"
        if self.amount is None:
            return "no answer"
        expected = Decimal(case.expected or "0")
        off = abs(self.amount - expected)
        return "right" if off <= expected * CLOSE else "wrong amount"


def ours(case: Case) -> Answer:
    """A partial answer says that it is one, and so declines the rest."""
    cost = priced(case.served, CATALOG)
    if status(cost) != "priced":
        return Answer(None, status(cost))
    return Answer(cost.amount)


def genai_prices(usage: Usage, key: PriceKey, at: datetime) -> Answer:
    """genai-prices with the context that it knows."""
    context = {}
    if tier_of(key) == "batch":
        context["processing"] = "batch"
    elif ordinary(key.tier):
        context["service_tier"] = str(ordinary(key.tier))
    if ordinary(key.speed):
        context["speed"] = str(ordinary(key.speed))
    try:
        with localcontext(prec=60):
            provider = canonical(key.provider)
            found = THEIRS.calc(
                inclusive(usage), str(key.model), provider, None, at, context or None
            )
    except (LookupError, ValueError) as error:
        return Answer(None, str(error))
    return Answer(found.total_price)


def inclusive(usage: Usage) -> TheirUsage:
    """Disjoint usage in genai-prices' shape, where a whole includes its parts."""
    n = {name: usage.get(name, 0) for name in _THEIR_PARTS}
    return TheirUsage(
        input_tokens=usage.total_input,
        cache_read_tokens=n["cache_read"],
        cache_write_tokens=n["cache_write"] + n["cache_write_5m"] + n["cache_write_1h"],
        cache_write_1h_tokens=n["cache_write_1h"],
        input_audio_tokens=n["input_audio"],
        output_tokens=usage.total_output,
        output_reasoning_tokens=n["reasoning"],
        output_citation_tokens=n["citation"],
        output_audio_tokens=n["output_audio"],
        web_searches=n["web_search"],
        storage_searches=n["file_search"],
        code_executions=n["code_interpreter"],
        rerank_searches=n["search_unit"],
        input_document_pages=n["page"],
        input_characters=n["character"],
        audio_seconds=n["audio_second"],
        input_audio_seconds=n["audio_second"],
    )


_THEIR_PARTS = (
    *("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "input_audio", "reasoning"),
    *("citation", "output_audio", "web_search", "file_search", "code_interpreter", "search_unit"),
    *("page", "character", "audio_second"),
)


def litellm(questions: Iterable[tuple[Usage, PriceKey]]) -> list[Answer]:
    """What litellm says in its own environment, with its bundled price map."""
    python = environment()
    lines = "".join(json.dumps(_question(usage, key)) + "\n" for usage, key in questions)
    ran = subprocess.run(
        [str(python), str(Path(__file__).with_name("price_cases_litellm.py"))],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return [
        Answer(Decimal(one["amount"]) if "amount" in one else None, one.get("error", ""))
        for one in answers
    ]


def environment() -> Path:
    """The interpreter that litellm is installed for."""
    folder = ROOT / ".venvs" / f"litellm-{LITELLM}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", f"litellm=={LITELLM}"]
        subprocess.run(install, check=True, stdout=sys.stderr)
    return python


def _question(usage: Usage, key: PriceKey) -> dict[str, Any]:
    """A search model's fee is asked of litellm as for one search."""
    searches = canonical(key.provider) == "perplexity" or "search-preview" in str(key.model)
    return {
        "usage": {**({"web_search": 1} if searches else {}), **usage},
        "total_input": usage.total_input,
        "total_output": usage.total_output,
        "provider": canonical(key.provider),
        "model": key.model,
        "tier": ordinary(key.tier),
        "batch": tier_of(key) == "batch",
        "speed": ordinary(key.speed),
        "region": key.region,
        "deployment": key.deployment,
        "search_context": key.search_context,
    }


HEAD = """# Prices: agentmeter beside genai-prices alone and litellm

One run of `benchmarks/price_cases.py` over the {count} cases of `tests/pricing/cases`, whose
expected amounts come from the arithmetic in each row on the rates that its source states:
agentmeter, genai-prices {genai} by itself, and litellm {litellm} with its bundled price map. Each
is given the same usage, already sorted into meters, and every condition that it has a parameter
for; an amount in floats counts as right within a hundred-millionth of it. litellm has no dates and
prices deepseek by the clock of the run. *Priced what has no price* is an amount for something that
cannot be priced, or in which a part is silently left out; *no answer* an error where there is a
price. The cases are ours, and chosen where prices are conditional: they say which conditions each
one knows, not how often a usual call is wrong."""

VERDICTS = ("right", "wrong amount", "priced what has no price", "no answer")


def main() -> None:
    """Run all three and print the page."""
    found = tuple(cases())
    questions = [asked(case.served) for case in found]
    whens = [
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=case.served.at_ns // 1000)
        for case in found
    ]
    answers = {
        "agentmeter": [ours(case) for case in found],
        "genai-prices": [
            genai_prices(usage, key, at) for (usage, key), at in zip(questions, whens, strict=True)
        ],
        "litellm": litellm(questions),
    }
    print(HEAD.format(count=len(found), genai=version("genai-prices"), litellm=LITELLM))
    print("\n## Who is right\n")
    print("| |", " | ".join(VERDICTS), "|\n|---|" + "---:|" * len(VERDICTS))
    for name, given in answers.items():
        counts = Counter(one.verdict(case) for case, one in zip(found, given, strict=True))
        print(f"| {name} |", " | ".join(str(counts[verdict]) for verdict in VERDICTS), "|")
    print("\n## By condition: right of all\n")
    groups = Counter(case.group for case in found)
    print("| |", " | ".join(answers), "|\n|---|" + "---:|" * len(answers))
    for group, size in groups.items():
        right = (
            sum(
                case.group == group and one.verdict(case) == "right"
                for case, one in zip(found, given, strict=True)
            )
            for given in answers.values()
        )
        print(f"| {group} |", " | ".join(f"{count} of {size}" for count in right), "|")
    print("\n## Each case that one of them does not get right\n")
    print("| case | provider, model | expected |", " | ".join(answers), "|")
    print("|---|---|---:|" + "---:|" * len(answers))
    for index, case in enumerate(found):
        given = {name: listed[index] for name, listed in answers.items()}
        if any(one.verdict(case) != "right" for one in given.values()):
            print(_row(case, given))


def _row(case: Case, given: dict[str, Answer]) -> str:
    expected = case.expected if case.status == "priced" else case.status
    cells = (_cell(case, one) for one in given.values())
    model = f"{case.fields['provider']}, {case.fields['model']}"
    return f"| {case.id} | {model} | {expected} | {' | '.join(cells)} |"


def _cell(case: Case, answer: Answer) -> str:
    if answer.verdict(case) == "right":
        return "right"
    return "no answer" if answer.amount is None else plain(answer.amount)


if __name__ == "__main__":
    main()
