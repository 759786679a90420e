"""Methods replaced on classes where another instrumentation has been before."""

import inspect
from typing import Any

import wrapt

from agentmeter.runtime.patches import Patches


class Client:
    async def ask(self, text: str) -> str:
        return text

    def tell(self, text: str) -> tuple[Any, str]:
        return self, text


def test_a_wrapper_of_wrapt_still_learns_its_object() -> None:
    """It is told the object that a method is called on, and passes for the function it wraps."""
    seen: list[Any] = []

    def theirs(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(instance)
        return wrapped(*args, **kwargs)

    kept = dict(vars(Client))
    wrapt.wrap_function_wrapper(Client, "tell", theirs)
    wrapt.wrap_function_wrapper(Client, "ask", theirs)
    before = dict(vars(Client))
    patches, given = Patches(), []

    def ours(original: Any) -> Any:
        given.append(original)
        return lambda *args, **kwargs: original(*args, **kwargs)

    patches.replace(Client, "tell", ours)
    patches.replace(Client, "ask", ours)
    client = Client()
    assert client.tell("x") == (client, "x")
    assert seen == [client]
    assert [inspect.iscoroutinefunction(one) for one in given] == [False, True]
    patches.undo()
    assert vars(Client)["tell"] is before["tell"]
    assert vars(Client)["ask"] is before["ask"]
    Client.tell, Client.ask = kept["tell"], kept["ask"]  # type: ignore[method-assign]
