"""The token of a call, as its metadata has it, and the form of API tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from library_domain.access.errors import TokenInvalid

HEADER = "authorization"

_API_TOKEN = re.compile("lib_(?P<id>[0-9a-f]{32})_(?P<secret>[A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ApiTokenText:
    """The parts of an API token. Its secret is not in the text of the object."""

    id: str
    """The id of its entry, with hyphens."""
    secret: str = field(repr=False)


def bearer_token(metadata: Iterable[Any] | None) -> str:
    """Return the token of a call; an empty text for a call without one.

    Raises:
        TokenInvalid: The call has several tokens, or one of another scheme than Bearer (RFC 6750).
    """
    found: Any = None
    for key, value in metadata or ():
        if key == HEADER:
            if found is not None:
                raise TokenInvalid
            found = value
    if found is None:
        return ""
    scheme, _, token = found.partition(" ") if isinstance(found, str) else ("", "", "")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenInvalid
    return token


def api_token_of(text: str) -> ApiTokenText | None:
    """Return the parts of a token that has the form of an API token."""
    match = _API_TOKEN.fullmatch(text)
    return ApiTokenText(str(UUID(match["id"])), match["secret"]) if match else None


def api_token_text(token_id: str, secret: str) -> str:
    """Return an API token as its program sends it."""
    return f"lib_{token_id.replace('-', '')}_{secret}"
