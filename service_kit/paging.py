"""Pages of lists (AIP-158). A token contains the place where the next page begins, and a digest of the arguments."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from service_kit.errors import FieldInvalid
from service_kit.unreadable import shown

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 2_000_000
"""Bytes of rows on a page, at most, unless its only row is larger: by default, clients accept messages up to 4 MB."""

_FINGERPRINT_BYTES = 8
KEY = re.compile("[0-9]{1,18}")  # fits into 64 bits: the fingerprint is not secret, so a client can forge a token


class ListRequest(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802 - protobuf's name
        """Return the request as bytes."""


Row = TypeVar("Row")
Item = TypeVar("Item", bound=Message)


def page_size(request: ListRequest) -> int:
    """Return the number of rows of the page: the default for 0, and at most `MAX_PAGE_SIZE`."""
    return min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def position(request: ListRequest) -> str:
    """Return the place of the last row before the page, as it was passed to `page`; "" for the first page.

    Raises `FieldInvalid` for an invalid token, or one for other arguments.
    """
    if not request.page_token:
        return ""
    try:
        token = base64.urlsafe_b64decode(request.page_token.encode("ascii") + b"==")
        place = token[_FINGERPRINT_BYTES:].decode()
    except (UnicodeError, binascii.Error):
        place = ""
    # Rebuilt and compared, because decoding ignores characters that are not base64. No stored text has a NUL.
    if not place or "\0" in place or request.page_token != _token(request, place):
        raise token_refused()
    return place


def row_position(request: ListRequest) -> int:
    """Return `position` as an integer key, for lists in the order of a key that begins at 1; 0 for the first page."""
    place = position(request)
    if not place:
        return 0
    if not KEY.fullmatch(place):
        raise token_refused()
    return int(place)


def page(
    request: ListRequest, rows: Sequence[Any], convert: Callable[[Any], Item], place: Callable[[Any], object]
) -> tuple[list[Item], str]:
    """Return the items of a page, and the token of the next. The arguments are those of `page_rows`.

    A row that cannot be converted is left out and logged; the next page begins after it.
    """
    pairs = [(row, shown(row, convert, place(row))) for row in rows]
    kept, token = page_rows(
        request, pairs, lambda pair: 0 if pair[1] is None else pair[1].ByteSize(), lambda pair: place(pair[0])
    )
    return [item for _, item in kept if item is not None], token


def page_rows(
    request: ListRequest, rows: Sequence[Row], byte_size: Callable[[Row], int], place: Callable[[Row], object]
) -> tuple[Sequence[Row], str]:
    """Return the rows of the page, and the token of the next; "" for the last page.

    Args:
        request: The page size and the arguments that the token is valid for.
        rows: Up to `page_size + 1` rows; the extra row shows that there is a next page.
        byte_size: Returns the size of a row in the response.
        place: Returns the place of a row, which `position` returns for the page after it.
    """
    room = MAX_PAGE_BYTES
    count = 0
    for row in rows[: page_size(request)]:
        room -= byte_size(row)
        if room < 0 and count:
            break
        count += 1
    if count == len(rows):
        return rows, ""
    return rows[:count], _token(request, place(rows[count - 1]))


def next_page_token(request: ListRequest, place: object) -> str:
    """Return the token of the page after `place`, for lists whose pages can end within a row."""
    return _token(request, place)


def token_refused() -> FieldInvalid:
    """Return the error for a page token that is not valid for this request."""
    return FieldInvalid(("page_token", "must be the next_page_token of a page with the same arguments"))


def _token(request: ListRequest, place: object) -> str:
    return base64.urlsafe_b64encode(_fingerprint(request) + str(place).encode()).decode().rstrip("=")


def _fingerprint(request: ListRequest) -> bytes:
    """Return a digest of the arguments but `page_size`, which can change from page to page."""
    plain = type(request)()
    plain.CopyFrom(request)  # type: ignore[attr-defined]
    plain.page_token = ""
    plain.page_size = 0
    digest = hashlib.blake2b(plain.SerializeToString(deterministic=True), digest_size=_FINGERPRINT_BYTES)
    digest.update(type(request).__name__.encode())
    return digest.digest()
