"""Clients whose own retrying is a function of a function: every call of that is an attempt."""

from typing import Any

from agentmeter.integration.exchange import current_exchange


def tried(original: Any) -> Any:
    """For a ``retry(function, retries)``; what ``function`` gives has a ``status_code``."""

    def retry(function: Any, retries: Any) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return original(function, retries)

        def once(*args: Any) -> Any:
            exchange.attempts.begin()
            try:
                response = function(*args)
            except BaseException as error:
                exchange.attempts.failed(error)
                raise
            exchange.attempts.end(response.status_code)
            return response

        return original(once, retries)

    return retry


def tried_async(original: Any) -> Any:
    """As ``tried``, of an asynchronous client."""

    async def retry(function: Any, retries: Any) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return await original(function, retries)

        async def once(*args: Any) -> Any:
            exchange.attempts.begin()
            try:
                response = await function(*args)
            except BaseException as error:
                exchange.attempts.failed(error)
                raise
            exchange.attempts.end(response.status_code)
            return response

        return await original(once, retries)

    return retry
