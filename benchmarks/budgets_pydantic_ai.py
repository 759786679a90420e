"""pydantic-ai's part of ``budgets.py``: runs that share one usage and one limit of its cost."""

import asyncio
import contextlib
import sys
from decimal import Decimal

from pydantic_ai import Agent
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import RunUsage, UsageLimits


async def main(base_url: str, parallel: int, calls: int, limit: Decimal, most: int) -> None:
    provider = OpenAIProvider(base_url=base_url, api_key="test")
    agent = Agent(OpenAIChatModel("gpt-5", provider=provider), model_settings={"max_tokens": most})
    shared, limits = RunUsage(), UsageLimits(cost_limit=limit, request_limit=None)
    at_once = asyncio.Semaphore(parallel)

    async def one() -> None:
        async with at_once:
            with contextlib.suppress(UsageLimitExceeded):
                await agent.run("hello world", usage=shared, usage_limits=limits)

    await asyncio.gather(*(one() for _ in range(calls)))
    print(f"pydantic-ai counted {shared.cost}", file=sys.stderr)


if __name__ == "__main__":
    url, parallel, calls, limit, most = sys.argv[1:]
    asyncio.run(main(url, int(parallel), int(calls), Decimal(limit), int(most)))
