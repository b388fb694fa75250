"""Rows that begin with a text which may be damaged: SQLite keeps any value, and decodes a text when it is read."""

from __future__ import annotations

from typing import Any

import peewee

from service_kit.statements import tuples
from service_kit.unreadable import all_shown


def text_rows(query: Any, limit: int | None = None) -> list[tuple[Any, ...]]:
    """Run a query whose first column is a text or NULL. Leave out and log rows in which it is something else.

    Args:
        query: A query without a limit, of an aggregate or of distinct rows.
        limit: The most rows to return.
    """
    try:
        rows = tuples(query.limit(limit))
        if all(_is_text(row[0]) for row in rows):
            return rows
    except UnicodeDecodeError:
        pass
    first, *others = query.selected_columns
    raw = tuples(query.select(peewee.Cast(first, "BLOB"), *others).limit(None))  # of all rows: only SQLite comes here
    return all_shown(raw, _with_decoded_text)[:limit]


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _with_decoded_text(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (row[0] if row[0] is None else bytes(row[0]).decode(), *row[1:])
