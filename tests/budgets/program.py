"""One of several processes that spend a tenant's budget together.

``python -m tests.budgets.program REDIS MODEL_SERVER TOKENS`` asks until it has been refused ten
times, four calls at once, and then says ``done`` and how many were answered.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import openai

import agentmeter as am

REFUSALS = 10


class Worker:
    """Asks, and counts."""

    def __init__(self, base_url: str) -> None:
        self.client = openai.OpenAI(base_url=base_url, api_key="test", max_retries=0)
        self.answered = self.refused = 0
        self.lock = Lock()

    def work(self) -> None:
        """One call after the other, each in a request of its own."""
        said: Any = [{"role": "user", "content": "hello world"}]
        while self.refused < REFUSALS:
            try:
                with am.request(tenant="acme"):
                    self.client.chat.completions.create(model="gpt-5", messages=said, max_tokens=20)
                with self.lock:
                    self.answered += 1
            except am.BudgetExceeded:
                with self.lock:
                    self.refused += 1


def main(redis_url: str, base_url: str, tokens: int) -> None:
    """Spend."""
    rule = am.BudgetRule(by="tenant", per="ever", tokens=tokens, unknown="refuse")
    store = am.RedisBudgets(redis_url, lease=2, lost="refuse", timeout=10)
    am.configure(journal=False, budgets=[rule], budget_store=store)
    am.instrument("openai")
    worker = Worker(base_url)
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(4) as pool:
        for work in [pool.submit(worker.work) for _ in range(4)]:
            work.result()
    print("done", worker.answered, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
