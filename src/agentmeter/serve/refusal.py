"""Why an export is not taken, as HTTP says it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818  # an answer, not a fault
    """An answer other than success. With ``retry_after`` (seconds) the sender is to come again."""

    status: int
    reason: str
    retry_after: int | None = None
    challenge: str | None = None
    """What a 401 says of how to come in."""

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
