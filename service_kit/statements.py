"""Statements whose SQL text is rendered by peewee once.

Building a query costs more than running it, so what runs at every call is built when the server starts:

    find = Statement(database, Book.select(Book.title).where(Book.id == slot("id")))
    find.row(id=…)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import peewee


class _Slot(NamedTuple):
    name: str


def slot(name: str) -> peewee.Value:
    """Stand in a query for a value that is given when it runs. It goes to the driver as it is, unconverted."""
    return peewee.Value(_Slot(name), converter=False, unpack=False)


class Statement:
    """A query rendered for one database."""

    def __init__(self, database: peewee.Database, query: Any) -> None:
        """Render the query in the dialect of the database."""
        self._database = database
        self.sql, self._parameters = database.get_sql_context().sql(query).query()

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run it and fetch all rows."""
        rows: list[tuple[Any, ...]] = self._database.execute_sql(self.sql, self._filled(values)).fetchall()
        return rows

    def row(self, **values: Any) -> tuple[Any, ...] | None:
        """Run it and fetch the first row, if there is one."""
        row: tuple[Any, ...] | None = self._database.execute_sql(self.sql, self._filled(values)).fetchone()
        return row

    def many(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each set of values."""
        self._database.cursor().executemany(self.sql, [self._filled(each) for each in values])

    def plan(self, **values: Any) -> str:
        """The engine's plan for it, a step a line."""
        explain = "EXPLAIN " if isinstance(self._database, peewee.PostgresqlDatabase) else "EXPLAIN QUERY PLAN "
        rows = self._database.execute_sql(explain + self.sql, self._filled(values)).fetchall()
        return "\n".join(str(row[-1]) for row in rows)

    def _filled(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([values[each.name] if type(each) is _Slot else each for each in self._parameters])
