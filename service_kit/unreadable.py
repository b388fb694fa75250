"""Rows that cannot be shown, because an earlier version stored them or they were damaged by hand.

Such a row is left out of a list and logged, and the list goes on after it. A call for this row is refused with
`RowUnreadable`. SQLite keeps any value in any column, and decodes a text when it is read.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import peewee
from google.protobuf.message import DecodeError

from service_kit.errors import RowUnreadable
from service_kit.logs import logger
from service_kit.statements import tuples

DAMAGE = (ValueError, TypeError, ArithmeticError, DecodeError)
"""The errors of reading or converting a damaged row. A store that is away or full raises other errors."""

LONGEST_ERROR = 300
"""The most characters of an error that are logged, as it can repeat a stored value."""

LOG_SECONDS = 60.0
"""The least time between two log lines about one row."""

MOST_LOGGED = 1_000
"""The most rows whose last log line is remembered."""

Row = TypeVar("Row")
Item = TypeVar("Item")
Model = TypeVar("Model", bound=peewee.Model)

log = logger(__name__)

_logged: dict[tuple[str, str], float] = {}


class Damaged(NamedTuple):
    """Replaces a row that could not be read in a list, so that the next page begins after it."""

    key: Any
    error: Exception


def read_rows(query: Any, model: type[Model]) -> list[Model | Damaged]:
    """Run a query of a model. If a row of it cannot be read, read each by its `key`."""
    try:
        return list(query)
    except DAMAGE:
        keys = [key for (key,) in tuples(query.select(model.key))]  # type: ignore[attr-defined]
    return [_read_row(model, key) for key in keys]


def read_each(keys: Iterable[Any], read: Callable[[Any], Row]) -> list[Row | Damaged]:
    """Read rows one by one by their keys."""
    found: list[Row | Damaged] = []
    for key in keys:
        try:
            found.append(read(key))
        except DAMAGE as error:
            found.append(Damaged(key, error))
    return found


def shown(row: Any, convert: Callable[[Any], Item], place: object = None) -> Item | None:
    """Convert a row; log one that cannot be shown and return None."""
    kind = type(row).__name__
    if isinstance(row, Damaged):
        report(kind, row.key, row.error)
        return None
    return readable_part(kind, place, lambda: convert(row))


def readable_part(kind: str, row_id: object, convert: Callable[[], Item]) -> Item | None:
    """Convert values of a row; log a row whose values cannot be converted and return None."""
    try:
        return convert()
    except DAMAGE as error:
        report(kind, row_id, error)
        return None


def all_shown(rows: Iterable[Any], convert: Callable[[Any], Item]) -> list[Item]:
    """Convert those rows that can be shown, and log the others."""
    items = (shown(row, convert, getattr(row, "id", None)) for row in rows)
    return [item for item in items if item is not None]


@contextlib.contextmanager
def readable(kind: str, row_id: str) -> Iterator[None]:
    """Turn the error of a damaged row, which a call needs, into `RowUnreadable`."""
    try:
        yield
    except (*DAMAGE, peewee.DataError) as error:  # PostgreSQL computes with numbers at the end of their range
        report(kind, row_id, error, with_traceback=True)
        raise RowUnreadable(kind=kind, id=row_id) from error


def report(kind: str, row_id: object, error: Exception, *, with_traceback: bool = False) -> None:
    """Log a row that cannot be shown, at most once a minute.

    With a traceback if more was done than to convert a row, as the cause can be a fault of the program.
    """
    now = time.monotonic()
    name = (kind, repr(row_id)[:100])
    if now - _logged.get(name, -LOG_SECONDS) < LOG_SECONDS:
        return
    if len(_logged) >= MOST_LOGGED:
        _logged.clear()
    _logged[name] = now
    log.error(
        "a row cannot be shown",
        kind=kind,
        row=name[1],
        error=f"{type(error).__name__}: {error}"[:LONGEST_ERROR],
        exc_info=error if with_traceback else None,
    )


def _read_row(model: type[Model], key: Any) -> Model | Damaged:
    # Not by `get`: it raises DoesNotExist after a text that cannot be decoded.
    try:
        rows = list(model.select().where(model.key == key))  # type: ignore[attr-defined]
    except DAMAGE as error:
        return Damaged(key, error)
    return rows[0] if rows else Damaged(key, ValueError("the row cannot be read, or is gone"))
