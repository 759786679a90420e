"""What an error tells of the attempt that it ended: whether a provider may have worked for it.

An attempt that was sent, and whose answer was never read, may be billed: a client that no longer
waits does not stop the model. So may one whose connection was closed without a byte: that is a
server that gave up, but as well a proxy that cut a model's long silence, and nothing tells the one
from the other. What a call is known to have used is then a lower bound, which holds either way.

Nothing is unknown of an attempt that was answered with an error, nor of one that was never sent.
"""

from collections.abc import Iterator

_NEVER_SENT = frozenset(
    (
        *("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"),
        *("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"),
        *("ClientConnectorError", "ConnectionTimeoutError", "NewConnectionError"),
        *("ConnectionRefusedError", "gaierror"),
    )
)
"""Errors of httpx, botocore, aiohttp, urllib3 and Python: there was no connection to send by."""
_TRANSPORT = frozenset(("TransportError", "BotoCoreError", "ClientError", "HTTPError", "OSError"))
"""What errors of a connection derive from: the first of them tells, those below it led to it."""
_CONNECTION = frozenset(("APIConnectionError", "APITimeoutError"))
"""Errors without an answer, also where a library gives them a status of its own making."""
_MOST_CAUSES = 8


def never_sent(error: BaseException) -> bool:
    """Whether ``error`` says that no request had gone out."""
    for one in _causes(error):
        kinds = _kinds(one)
        if not kinds.isdisjoint(_NEVER_SENT):
            return True
        if not kinds.isdisjoint(_TRANSPORT):
            return False
    return False


def http_status_in(error: BaseException) -> int | None:
    """The status of the answer that ``error`` is about, if there was one."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and _kinds(error).isdisjoint(_CONNECTION) else None


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if at is None:
            return
        yield at
        at = at.__cause__ or at.__context__
