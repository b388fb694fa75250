"""Pages by key (AIP-158): a token says where the next page begins and to which arguments it belongs."""

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
"""A page ends before it grows past this many bytes of rows: clients take 4 MB in a message unless told otherwise."""

_FINGERPRINT_BYTES = 8
KEY = re.compile("[0-9]{1,18}")  # what fits in 64 bits: the fingerprint is no secret, so a token can be forged


class ListRequest(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802 - protobuf's name
        """Give the request as bytes."""


Row = TypeVar("Row")
Item = TypeVar("Item", bound=Message)


def page_size(request: ListRequest) -> int:
    """How many rows the page may have: 0 means the default, and too many the most there is."""
    return min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def position(request: ListRequest) -> str:
    """Where the page begins: what `page` was told of the last row before it, or "" at the beginning.

    Raises `FieldInvalid` for a token that is none, or that belongs to other arguments.
    """
    if not request.page_token:
        return ""
    try:
        token = base64.urlsafe_b64decode(request.page_token.encode("ascii") + b"==")
        place = token[_FINGERPRINT_BYTES:].decode()
    except (UnicodeError, binascii.Error):
        place = ""
    # Made anew and compared, because decoding overlooks what is not base64. No store holds a text with a NUL.
    if not place or "\0" in place or request.page_token != _token(request, place):
        raise token_refused()
    return place


def row_position(request: ListRequest) -> int:
    """Like `position`, for lists in the order of an integer key that begins at 1."""
    place = position(request)
    if not place:
        return 0
    if not KEY.fullmatch(place):
        raise token_refused()
    return int(place)


def page(
    request: ListRequest, rows: Sequence[Any], convert: Callable[[Any], Item], place: Callable[[Any], object]
) -> tuple[list[Item], str]:
    """Return the items of a page and the token of the next. The rows are as for `page_rows`.

    A row that cannot be shown is left out and logged; the token of the next page leads behind it.
    """
    pairs = [(row, shown(row, convert, place(row))) for row in rows]
    kept, token = page_rows(
        request, pairs, lambda pair: 0 if pair[1] is None else pair[1].ByteSize(), lambda pair: place(pair[0])
    )
    return [item for _, item in kept if item is not None], token


def page_rows(
    request: ListRequest, rows: Sequence[Row], byte_size: Callable[[Row], int], place: Callable[[Row], object]
) -> tuple[Sequence[Row], str]:
    """Tell which rows make the page, and the token of the next.

    Give one row more than `page_size`, where there is one: that is how the last page is known. `place` tells what
    `position` shall give when the page after this row is asked for.
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
    """Return the token of the page behind `place`, for lists whose pages do not end behind a whole row."""
    return _token(request, place)


def token_refused() -> FieldInvalid:
    """Return the error for a page token that is not valid for this request."""
    return FieldInvalid(("page_token", "must be the next_page_token of a page with the same arguments"))


def _token(request: ListRequest, place: object) -> str:
    return base64.urlsafe_b64encode(_fingerprint(request) + str(place).encode()).decode().rstrip("=")


def _fingerprint(request: ListRequest) -> bytes:
    """Tell apart requests that ask for different lists; the page's size may change from page to page."""
    plain = type(request)()
    plain.CopyFrom(request)  # type: ignore[attr-defined]
    plain.page_token = ""
    plain.page_size = 0
    digest = hashlib.blake2b(plain.SerializeToString(deterministic=True), digest_size=_FINGERPRINT_BYTES)
    digest.update(type(request).__name__.encode())
    return digest.digest()
