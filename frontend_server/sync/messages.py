"""Pages of changes as they come over the wire, of which one change may be no message that protobuf can parse."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesResponse
from library.v1.book_pb2 import Book

_CHANGES = ListCatalogChangesResponse.CHANGES_FIELD_NUMBER
_NEXT_CURSOR = ListCatalogChangesResponse.NEXT_CURSOR_FIELD_NUMBER
_HAS_MORE = ListCatalogChangesResponse.HAS_MORE_FIELD_NUMBER


def parse_page(data: bytes) -> ListCatalogChangesResponse:
    """Parse a page. Of a change that cannot be parsed, take what says which book it is and whether it may be lent.

    Such a change has no title, and so it is set aside. Raises `DecodeError` where the page itself cannot be parsed.
    """
    try:
        return ListCatalogChangesResponse.FromString(data)
    except DecodeError:
        page = ListCatalogChangesResponse()
    for number, value in _fields(data):
        if number == _CHANGES and isinstance(value, bytes):
            page.changes.append(_parse_change(value))
        elif number == _NEXT_CURSOR and isinstance(value, bytes):
            page.next_cursor = value.decode(errors="replace")
        elif number == _HAS_MORE:
            page.has_more = bool(value)
    return page


def _parse_change(data: bytes) -> BookChange:
    try:
        return BookChange.FromString(data)
    except DecodeError:
        change = BookChange()
    for number, value in _fields_of_part(data):
        if number == BookChange.REVISION_FIELD_NUMBER and isinstance(value, int):
            change.revision = value
        elif number == BookChange.BOOK_FIELD_NUMBER and isinstance(value, bytes):
            change.book.CopyFrom(_parse_book(value))
    return change


def _parse_book(data: bytes) -> Book:
    book = Book()
    for number, value in _fields_of_part(data):
        if number == Book.ID_FIELD_NUMBER and isinstance(value, bytes):
            book.id = value.decode(errors="replace")
        elif number == Book.STATE_FIELD_NUMBER and isinstance(value, int):
            book.state = value  # type: ignore[assignment]
        elif number == Book.TOTAL_COPIES_FIELD_NUMBER and isinstance(value, int):
            book.total_copies = value
    return book


def _fields_of_part(data: bytes) -> list[tuple[int, object]]:
    try:
        return _fields(data)
    except DecodeError:
        return []


def _fields(data: bytes) -> list[tuple[int, object]]:
    """The fields of a message of any type, as their numbers and raw values. Raises `DecodeError`."""
    fields = UnknownFieldSet(Empty.FromString(data))
    return [(fields[index].field_number, fields[index].data) for index in range(len(fields))]
