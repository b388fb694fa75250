"""The secret that identifies a frontend to the admin, and the metadata that carries it in each sync call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

HEADER = "authorization"
"""The metadata key of the secret."""

_FRONTEND_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SECRET = re.compile("[A-Za-z0-9_-]{32,128}")
_BEARER = re.compile(f"Bearer (?P<frontend_id>{_FRONTEND_ID.pattern})[.](?P<secret>{_SECRET.pattern})")


class Credentials(NamedTuple):
    """The frontend that makes a call, and its secret."""

    frontend_id: str
    secret: str

    def __repr__(self) -> str:
        """Omit the secret, which must not get into a log."""
        return f"Credentials(frontend_id={self.frontend_id!r})"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call."""
        return ((HEADER, f"Bearer {self.frontend_id}.{self.secret}"),)


def is_frontend_id(text: str) -> bool:
    """Return whether a text has the form of a frontend's id: a UUID in lower case."""
    return _FRONTEND_ID.fullmatch(text) is not None


def is_secret(text: str) -> bool:
    """Return whether a text has the form of a secret."""
    return _SECRET.fullmatch(text) is not None


def read_credentials(metadata: Iterable[Any] | None) -> Credentials | None:
    """Return the credentials in the metadata of a call; None if it has no valid ones, or several."""
    values = [value for key, value in metadata or () if key == HEADER]
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 and isinstance(values[0], str) else None
    return Credentials(match["frontend_id"], match["secret"]) if match else None
