"""Finds values in a store that no version of its service writes: changed by hand, by a disk, or by a failed repair.

Tables with one row, such as a counter, are checked at each start: a wrong value there would fail each call, or worse.
The checks of whole tables are for `library doctor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import peewee

from service_kit.revisions import GREATEST_REVISION, Counter, damaged, newest_in
from service_kit.store import Store, StoreSettingsError

WAY_OUT = "stop the services that use it and run: library doctor --repair"

UNREADABLE = object()
"""Replaces a text that cannot be decoded."""

Rules = Mapping[peewee.Field, Callable[[Any], bool]]
"""The rule of each column, which is called with the value as the driver returns it."""


Counts = Mapping[Any, Any]
"""Columns that count other rows, each with the query for the right value."""


class StoreDamaged(StoreSettingsError):
    """The store has values that its service cannot work with."""


def number_in(least: int, greatest: int = GREATEST_REVISION) -> Callable[[object], bool]:
    """Return a rule for a column of integers."""
    return lambda value: type(value) is int and least <= value <= greatest


def text_like(is_right: Callable[[str], object]) -> Callable[[object], bool]:
    """Return a rule for a column of texts."""
    return lambda value: isinstance(value, str) and bool(is_right(value))


def is_truth_value(value: object) -> bool:
    """Return whether a value is true or false as either engine stores them."""
    return isinstance(value, int) and value in (0, 1)


def stored_row(store: Store, key: peewee.Field, rules: Rules) -> dict[str, Any] | None:
    """Return the row of a table with one row, by the names of its columns; None if there is no row with the key 1.

    A text that cannot be decoded is `UNREADABLE`. Call it within `reading` or `writing`.
    """
    table = key.model._meta.table_name
    row = {}
    for column in rules:
        sql = f'SELECT "{column.column_name}" FROM {table} WHERE {key.column_name} = 1'
        try:
            values = store.database.execute_sql(sql).fetchall()
        except UnicodeDecodeError:
            values = [(UNREADABLE,)]
        if not values:
            return None
        row[column.column_name] = values[0][0]
    return row


def right_values(row: Mapping[str, Any] | None, rules: Rules) -> dict[str, Any]:
    """Return the values of a row that fulfil their rules."""
    return {
        column.column_name: row[column.column_name]
        for column, is_right in rules.items()
        if row is not None and is_right(row[column.column_name])
    }


def row_problems(store: Store, key: peewee.Field, rules: Rules, *, may_be_missing: bool) -> list[str]:
    """Return the problems of a table with one row, without the values, as one of them can be a secret."""
    table = key.model._meta.table_name
    row = stored_row(store, key, rules)
    if row is None:
        return [] if may_be_missing else [f"the row of {table} is missing"]
    right = right_values(row, rules)
    return [f"{table}.{name} is damaged" for name in row if name not in right]


COUNTER: Rules = {Counter.revision: number_in(0)}


def counter_problems(store: Store) -> list[str]:
    """Return the problems of the counter of revisions."""
    return row_problems(store, Counter.id, COUNTER, may_be_missing=False)


def lag_problems(columns: Iterable[peewee.Field]) -> list[str]:
    """Return a problem if the counter is behind the revisions of rows, and would assign them a second time.

    `counter_problems` finds a counter that is missing or damaged.
    """
    newest = max(newest_in(column) for column in columns)
    behind = Counter.select(Counter.id).where(Counter.id == 1, ~damaged(Counter.revision), Counter.revision < newest)
    return ["counter.revision is less than the newest revision of a row"] if behind.exists() else []


def column_problems(columns: Iterable[tuple[peewee.Field, int]]) -> list[str]:
    """Count the damaged rows of columns of revisions or generations, each with its least possible value."""
    found = []
    for column, least in columns:
        if count := column.model.select().where(damaged(column, least=least)).count():
            found.append(f"{column.model._meta.table_name}.{column.column_name} is damaged in {count} rows")
    return found


def count_problems(counts: Counts, what: str = "open loans") -> list[str]:
    """Compare columns that count other rows with those rows; `what` names what they count."""
    found = []
    for column, right in counts.items():
        if wrong := column.model.select().where(column != right).count():
            name = f"{column.model._meta.table_name}.{column.column_name}"
            found.append(f"{name} is not the number of {what} in {wrong} rows")
    return found


def correct_counts(counts: Counts) -> None:
    """Correct columns that count other rows."""
    for column, right in counts.items():
        column.model.update({column: right}).where(column != right).execute()


def refuse_damaged(store: Store, find: Callable[[Store], list[str]]) -> None:
    """Refuse a store at the start of its service.

    Raises:
        StoreDamaged: The message has the problems, and how to repair them.
    """
    with store.explained("read {}"), store.reading():
        problems = find(store)
    if problems:
        raise StoreDamaged(f"the store {store.safe_url} is damaged ({'; '.join(problems)}): {WAY_OUT}")
