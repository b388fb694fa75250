"""Where the values of a book came from, so that no source overwrites what a person typed.

The column `origins` is a JSON object: by field, the source and the time in microseconds since 1970. A value without an
origin was typed, or came with a file when the book was added.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from library.v1.book_pb2 import FieldOrigin
from library_domain.book_fields import BOOK_FIELDS, FIELD_NAMES, LIST_KINDS
from service_kit.clock import timestamp

NO_ORIGINS = "{}"

PERSON = "person"
"""The source of a field that a person changed or cleared with UpdateBook: it stays as it is."""

IMPORT = "import"
"""The source of a value that a file changed."""

OUTSIDE_SOURCES = frozenset({"open_library", "google_books"})
"""Sources whose values a later look-up may replace."""

_FIELDS = {field.name: field for field in BOOK_FIELDS}


def fillable(columns: Mapping[str, object], origins: str, values: Mapping[str, object]) -> dict[str, object]:
    """Return those of `values` that a source may write.

    They are the values of fields that are empty and that no person cleared, and of fields that an outside source has
    filled before.

    Args:
        columns: The columns of the book.
        origins: Its column `origins`.
        values: The source's values, as columns. Empty ones are left out.
    """
    known = _read(origins)
    return {
        name: value
        for name, value in values.items()
        if not is_empty(name, value) and _is_fillable(name, columns.get(name, ""), known.get(name))
    }


def noted(origins: str, fields: Iterable[str], source: str, time: int) -> str:
    """Return the column `origins` after `source` has written these fields at `time`, in microseconds since 1970."""
    known = _read(origins) | dict.fromkeys(fields, (source, time))
    return json.dumps(known, ensure_ascii=False, separators=(",", ":")) if known else NO_ORIGINS


def typed(origins: str, fields: Collection[str], time: int) -> str:
    """Return the column `origins` after a person has changed or cleared these fields at `time`."""
    return noted(origins, fields, PERSON, time)


def origin_messages(origins: str) -> list[FieldOrigin]:
    """Return the origins of values that nobody typed, in the order of the table of fields."""
    if origins == NO_ORIGINS:
        return []
    known = _read(origins)
    return [
        FieldOrigin(field=name, source=known[name][0], time=timestamp(known[name][1]))
        for name in FIELD_NAMES
        if name in known and known[name][0] != PERSON
    ]


def _read(origins: str) -> dict[str, tuple[str, int]]:
    """Return the source and the time by field. Raises `ValueError` or `TypeError` for a damaged column."""
    if origins == NO_ORIGINS:
        return {}
    known = json.loads(origins)
    if not isinstance(known, dict):
        raise ValueError("the origins are not a JSON object")
    return {field: (str(source), int(time)) for field, (source, time) in known.items()}


def is_empty(name: str, value: object) -> bool:
    """Return whether the column of a field has no value. A text `0`, as of a volume, is one."""
    field = _FIELDS.get(name)
    if field is not None and field.kind in LIST_KINDS:
        return value in ("", "[]")
    return value in ("", 0)


def _is_fillable(name: str, value: object, origin: tuple[str, int] | None) -> bool:
    if origin is None:
        return is_empty(name, value)
    return origin[0] in OUTSIDE_SOURCES or (origin[0] != PERSON and is_empty(name, value))
