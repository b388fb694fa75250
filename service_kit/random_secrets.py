"""Random secrets, and what a store keeps of them."""

from __future__ import annotations

import hashlib
import secrets

SECRET_BYTES = 32
"""Random bytes in a secret: too many to guess, so that its plain SHA-256 can be stored."""


def new_secret() -> str:
    """Return a random secret: 43 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of_secret(secret: str) -> str:
    """Return the hash of a secret, which a store keeps instead of the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
