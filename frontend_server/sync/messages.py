"""Pages of changes as they are received, of which one change may be bytes that protobuf cannot parse."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from frontend_server.sync.pulled_kind import PulledKinds
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse

_CHANGES = ListCatalogChangesResponse.CHANGES_FIELD_NUMBER
_NEXT_CURSOR = ListCatalogChangesResponse.NEXT_CURSOR_FIELD_NUMBER
_HAS_MORE = ListCatalogChangesResponse.HAS_MORE_FIELD_NUMBER


def parse_page(data: bytes, kinds: PulledKinds = PULLED_KINDS) -> Any:
    """Parse a page. Of a change that cannot be parsed, take its revision and its kind's `salvaged_fields`.

    Such a change lacks what is required of its kind, and so it is set aside. Raise `DecodeError` if the page itself
    cannot be parsed.
    """
    try:
        return kinds.page_type.FromString(data)
    except DecodeError:
        page = kinds.page_type()
    for number, value in _fields(data):
        if number == _CHANGES and isinstance(value, bytes):
            page.changes.append(_parse_change(value, kinds))
        elif number == _NEXT_CURSOR and isinstance(value, bytes):
            page.next_cursor = value.decode(errors="replace")
        elif number == _HAS_MORE:
            page.has_more = bool(value)
    return page


def _parse_change(data: bytes, kinds: PulledKinds) -> Any:
    try:
        return kinds.change_type.FromString(data)
    except DecodeError:
        change = kinds.change_type()
    numbers = {kinds.field_of(kind).number: kind for kind in kinds}
    for number, value in _fields_of_part(data):
        if number == CatalogChange.REVISION_FIELD_NUMBER and isinstance(value, int):
            change.revision = value
        elif number in numbers and isinstance(value, bytes):
            kind = numbers[number]
            message = getattr(change, kind.name)
            message.SetInParent()
            _salvage(message, value, kind.salvaged_fields)
    return change


def _salvage(message: Any, data: bytes, names: Sequence[str]) -> None:
    """Set these fields of a message as far as its bytes have valid values for them."""
    by_number = {field.number: field for field in map(message.DESCRIPTOR.fields_by_name.__getitem__, names)}
    for number, value in _fields_of_part(data):
        field = by_number.get(number)
        if field is None:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            if isinstance(value, bytes):
                setattr(message, field.name, value.decode(errors="replace"))
        elif isinstance(value, int):
            with contextlib.suppress(ValueError):  # more than the field can contain
                setattr(message, field.name, value)


def _fields_of_part(data: bytes) -> list[tuple[int, object]]:
    try:
        return _fields(data)
    except DecodeError:
        return []


def _fields(data: bytes) -> list[tuple[int, object]]:
    """Return the fields of a message of any type, as their numbers and raw values. Raise `DecodeError`."""
    fields = UnknownFieldSet(Empty.FromString(data))
    return [(fields[index].field_number, fields[index].data) for index in range(len(fields))]
