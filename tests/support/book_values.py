"""Valid values for all fields of a book, so that tests of the fields need no change for a new one."""

from __future__ import annotations

from typing import Any

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_OTHER,
    Contributor,
    Identifier,
)
from library_domain.book_fields import BOOK_FIELDS, BookField, FieldKind, limits

ISBNS = ("9780141439587", "9780441013593")
IDENTIFIERS = (
    [
        Identifier(type=IDENTIFIER_TYPE_ISSN, value="0317-8471"),
        Identifier(type=IDENTIFIER_TYPE_OTHER, value="a; b | OCLC 1"),
    ],
    [Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333931")],
)


def book_value(field: BookField, which: int) -> Any:
    """Return the first or second (`which` is 0 or 1) of two values for a field."""
    text = f"{field.name} {which}"
    if limits(field.input_name).string.uri:
        return f"https://example.org/{which}"
    values: dict[FieldKind, Any] = {
        FieldKind.TEXT: text,
        FieldKind.NAMES: [text, "Another"],
        FieldKind.ISBN: ISBNS[which],
        FieldKind.NUMBER: 10 + which,
        FieldKind.YEAR: 1815 + which,
        FieldKind.SUBJECTS: [text, "Science & nature; art"],
        FieldKind.IDENTIFIERS: IDENTIFIERS[which],
        FieldKind.CONTRIBUTORS: [Contributor(name=text, role="translator"), Contributor(name="Queen (band)")],
    }
    return values[field.kind]


def full_request(which: int) -> AddBookRequest:
    """Return a request with a value for every field."""
    return AddBookRequest(**{field.input_name: book_value(field, which) for field in BOOK_FIELDS})
