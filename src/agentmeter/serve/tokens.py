"""Bearer tokens: who may send, for which tenant, and who may look.

A file of them is TOML:

    [[token]]
    secret = "…"            # or sha256 = "…", the digest of the secret in hex
    tenant = "acme"         # everything sent with it is acme's, whatever the spans say

A token without a tenant is the operator's: what it sends is whose the spans say, and it opens the
page. A tenant's token sends, and opens nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmeter.exceptions import ConfigurationError

SHORTEST = 16
"""Characters that a secret has at least; ``openssl rand -hex 24`` makes a good one."""
_DIGEST = re.compile("[0-9a-f]{64}")
_KNOWN = {"secret", "sha256", "tenant"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token, by the SHA-256 of its secret in hex."""

    digest: str
    tenant: str | None = None

    @property
    def opens_page(self) -> bool:
        """Whether its bearer may see what everybody's requests cost."""
        return self.tenant is None


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens that are good. Where there are none, nobody is asked for one."""

    all: tuple[Token, ...] = ()

    def of(self, authorization: str) -> Token | None:
        """The token of an ``Authorization`` header: a bearer's, or a password's with any name."""
        kind, _, given = authorization.strip().partition(" ")
        secret = given.strip() if kind.lower() == "bearer" else None
        if kind.lower() == "basic":
            secret = _password(given)
        if secret is None:
            return None
        digest = hashlib.sha256(secret.encode()).hexdigest()
        found = [one for one in self.all if hmac.compare_digest(one.digest, digest)]
        return found[0] if found else None


def _password(given: str) -> str | None:
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def token_of(secret: str, place: str, tenant: str | None = None) -> Token:
    """A token by its secret. Raises ``ConfigurationError`` for one that could be guessed."""
    if len(secret) < SHORTEST or secret.strip() != secret:
        raise ConfigurationError(
            f"{place}: a token of {SHORTEST} characters at least, without blanks around it; "
            "openssl rand -hex 24 makes one"
        )
    return Token(hashlib.sha256(secret.encode()).hexdigest(), tenant)


def tokens_from(file: Path) -> tuple[Token, ...]:
    """The tokens of a TOML file. Raises ``ConfigurationError`` naming file and entry."""
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file}: not TOML: {error}") from error
    entries = said.get("token")
    if not isinstance(entries, list) or not entries or said.keys() != {"token"}:
        raise ConfigurationError(f"{file}: expected [[token]] tables, each with a secret, alone")
    found = tuple(_token(entry, f"{file}: token {n}") for n, entry in enumerate(entries, 1))
    _check_unique(found, file)
    return found


def _token(entry: Mapping[str, Any], place: str) -> Token:
    unknown = sorted(entry.keys() - _KNOWN)
    if unknown:
        raise ConfigurationError(f"{place}: {unknown[0]!r} is none of {sorted(_KNOWN)}")
    if not all(isinstance(value, str) and value for value in entry.values()):
        raise ConfigurationError(f"{place}: every field is a text that is not blank")
    if ("secret" in entry) == ("sha256" in entry):
        raise ConfigurationError(f"{place}: either secret or sha256, one of them")
    tenant = entry.get("tenant")
    if "secret" in entry:
        return token_of(entry["secret"], f"{place}: secret", tenant)
    if not _DIGEST.fullmatch(entry["sha256"].lower()):
        raise ConfigurationError(f"{place}: sha256: expected 64 hex digits")
    return Token(entry["sha256"].lower(), tenant)


def _check_unique(found: Iterable[Token], file: Path) -> None:
    seen: set[str] = set()
    for number, one in enumerate(found, 1):
        if one.digest in seen:
            raise ConfigurationError(f"{file}: token {number}: the same secret as one before it")
        seen.add(one.digest)
