"""Ids that every process makes alike of what a provider calls a thing."""

import hashlib


def identity(kind: str, name: str, size: int) -> str:
    """An id of ``size`` bytes for what the provider calls ``name``, in hexadecimal."""
    return hashlib.blake2b(f"{kind} {name}".encode(), digest_size=size).hexdigest()
