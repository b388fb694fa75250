"""Small files of MARC records with items."""

from __future__ import annotations

from collections.abc import Sequence

import pymarc

Book = tuple[str, str, Sequence[dict[str, str]]]
"""A title, an ISBN or "", and the subfields of each field 952."""


def marc(*books: Book) -> bytes:
    """Return the books as records in ISO 2709."""
    return b"".join(_record(*book) for book in books)


def _record(title: str, isbn: str, items: Sequence[dict[str, str]]) -> bytes:
    record = pymarc.Record(force_utf8=True)
    record.add_field(pymarc.Field("001", data=f"c{isbn or title}"))
    if isbn:
        record.add_field(_field("020", a=isbn))
    record.add_field(_field("245", a=title))
    for item in items:
        record.add_field(_field("952", **item))
    return bytes(record.as_marc())


def _field(tag: str, **subfields: str) -> pymarc.Field:
    found = [pymarc.Subfield(code, value) for code, value in subfields.items()]
    return pymarc.Field(tag, pymarc.Indicators(" ", " "), found)
