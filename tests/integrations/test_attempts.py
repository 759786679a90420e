"""What an error tells of an attempt: answered, never sent, or sent and lost."""

import httpx
import pytest

from agentmeter.integration import Attempts
from agentmeter.integration.lost import http_status_in, never_sent
from agentmeter.model import Attempt

REFUSED = httpx.ConnectError("refused")
SENT = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.RemoteProtocolError)
NEVER = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class APIConnectionError(Exception):
    """As the generated clients have it: over the transport's own error."""


class Timeout(APIConnectionError):  # noqa: N818  # as litellm has it
    """With a status that no server sent."""

    status_code = 408


class Answered(Exception):  # noqa: N818  # the libraries' word
    """What a client makes of an answer that is an error."""

    status_code = 503


def over(cause: Exception) -> Exception:
    """``cause`` as a generated client raises it."""
    try:
        raise APIConnectionError from cause
    except APIConnectionError as error:
        return error


def ended_by(error: Exception) -> Attempt:
    attempts = Attempts()
    attempts.begin()
    attempts.failed(error)
    (attempt,) = attempts.done
    return attempt


@pytest.mark.parametrize("kind", SENT)
def test_an_attempt_that_was_sent_and_not_answered_is_lost(kind: type[httpx.HTTPError]) -> None:
    """Whether the client waited no longer or the connection broke."""
    for error in (kind("x"), over(kind("x"))):
        attempt = ended_by(error)
        assert (attempt.lost, attempt.refused, attempt.billed) == (True, False, None)


@pytest.mark.parametrize("kind", NEVER)
def test_an_attempt_that_was_never_sent_used_nothing(kind: type[httpx.HTTPError]) -> None:
    """There was no connection to send it by, and that is known."""
    for error in (kind("x"), over(kind("x"))):
        attempt = ended_by(error)
        assert (attempt.lost, attempt.refused, attempt.billed) == (False, True, False)


def test_an_attempt_that_was_answered_with_an_error_used_nothing() -> None:
    """It has the status in the place of an error's name."""
    attempt = ended_by(Answered())
    assert (attempt.http_status, attempt.error_type) == (503, None)
    assert (attempt.lost, attempt.refused) == (False, True)


def test_a_status_of_a_librarys_own_making_is_none() -> None:
    """A timeout that says 408 had no answer."""
    assert http_status_in(Timeout()) is None
    assert ended_by(Timeout()).lost


def test_what_led_to_an_earlier_attempts_end_says_nothing_of_this_one() -> None:
    """The first error of a connection tells; what was handled meanwhile is another's."""
    try:
        try:
            raise REFUSED
        except httpx.ConnectError:
            raise httpx.ReadTimeout("of the retry, inside") from None
    except httpx.ReadTimeout as error:
        assert error.__context__ is REFUSED
        assert not never_sent(error)


def test_botocores_errors_tell_as_much() -> None:
    """An endpoint that is not reached, and one that does not answer."""
    errors = pytest.importorskip("botocore.exceptions")
    assert never_sent(errors.EndpointConnectionError(endpoint_url="http://x"))
    assert never_sent(errors.ConnectTimeoutError(endpoint_url="http://x"))
    assert ended_by(errors.ReadTimeoutError(endpoint_url="http://x")).lost
    assert ended_by(errors.ConnectionClosedError(endpoint_url="http://x")).lost
