"""The secret by which the admin knows the frontend that it is paired with, and how it travels with each sync call."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

HEADER = "authorization"
"""The metadata key of the secret."""

SECRET_BYTES = 32
"""Random bytes in a secret: too many to be guessed, so that a plain SHA-256 of it may be stored."""

_FRONTEND_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SECRET = re.compile("[A-Za-z0-9_-]{32,128}")
_BEARER = re.compile(f"Bearer (?P<frontend_id>{_FRONTEND_ID.pattern})[.](?P<secret>{_SECRET.pattern})")


class Credentials(NamedTuple):
    """Which frontend makes a call, and its secret."""

    frontend_id: str
    secret: str

    def __repr__(self) -> str:
        """Leave the secret out: it must not get into a log."""
        return f"Credentials(frontend_id={self.frontend_id!r})"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call."""
        return ((HEADER, f"Bearer {self.frontend_id}.{self.secret}"),)


def new_secret() -> str:
    """Make a secret: 43 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(SECRET_BYTES)


def is_frontend_id(text: str) -> bool:
    """Return whether a text can be the id of a frontend: a UUID in lower case."""
    return _FRONTEND_ID.fullmatch(text) is not None


def is_secret(text: str) -> bool:
    """Return whether a text can be a secret."""
    return _SECRET.fullmatch(text) is not None


def read_credentials(metadata: Iterable[Any] | None) -> Credentials | None:
    """Read the credentials from the metadata of a call; None where there are none, or several."""
    values = [value for key, value in metadata or () if key == HEADER]
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 and isinstance(values[0], str) else None
    return Credentials(match["frontend_id"], match["secret"]) if match else None
