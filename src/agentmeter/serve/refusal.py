"""Why an export is not taken, as HTTP says it."""


class Refusal(Exception):  # noqa: N818  # an answer, not a fault
    """An answer other than success.

    With ``retry_after`` (seconds) the sender is to come again; ``challenge`` is what a 401 says of
    how to come in.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        retry_after: int | None = None,
        challenge: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.challenge = challenge

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it."""
        found = {}
        if self.retry_after is not None:
            found["retry-after"] = str(self.retry_after)
        if self.challenge is not None:
            found["www-authenticate"] = self.challenge
        return found


def full(what: str) -> Refusal:
    """There is no room at this moment; nothing is wrong with what was sent."""
    return Refusal(503, f"{what}; send it again in a moment", retry_after=1)
