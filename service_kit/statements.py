"""Statements whose SQL text peewee renders once.

peewee takes longer to render a query than the engine to run it. A query of a hot path is a module's constant, next to
its rule, and is rendered at its first use:

    FIND = Statement(Book.select(Book.title).where(Book.id == param("id")))
    FIND.row(id=…)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import peewee

# peewee has no executemany, so without this the errors of one would be the driver's own.
_PEEWEE_ERRORS = peewee.__exception_wrapper__  # type: ignore[attr-defined]


class _Param(NamedTuple):
    name: str


class _Rendered(NamedTuple):
    database: peewee.Database
    sql: str
    parameters: list[Any]

    def filled(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([values[each.name] if type(each) is _Param else each for each in self.parameters])


def tuples(query: Any) -> list[tuple[Any, ...]]:
    """Run a query of peewee and return its rows as tuples, which peewee's stubs declare as models."""
    return list(query.tuples())


def param(name: str) -> peewee.Value:
    """Return a placeholder in a query for a value of each run. The value is passed to the driver unconverted."""
    return peewee.Value(_Param(name), converter=False, unpack=False)


class InList(peewee.ColumnBase):
    """The condition that a text is one of a list of any length. `listed` makes the value of its parameter."""

    def __init__(self, column: peewee.Field, name: str) -> None:
        """Take the column of the texts, and the name of the parameter."""
        super().__init__()
        self._column, self._name = column, name

    def __sql__(self, ctx: Any) -> Any:
        """Render it for the engine: an array on PostgreSQL, a text of JSON on SQLite."""
        value = param(self._name)
        if is_postgresql(self._column.model):
            return ctx.sql(self._column == peewee.fn.ANY(value))
        texts = peewee.NodeList((peewee.SQL("(SELECT value FROM json_each("), value, peewee.SQL("))")))
        return ctx.sql(peewee.Expression(self._column, peewee.OP.IN, texts))


def listed(model: Any, texts: Iterable[str]) -> Any:
    """Return the value of a parameter of `InList` for the database that a model is bound to."""
    return list(texts) if is_postgresql(model) else json.dumps(list(texts))


def is_postgresql(model: Any) -> bool:
    """Return whether the model is bound to a PostgreSQL database."""
    return isinstance(model._meta.database, peewee.PostgresqlDatabase)


class Statement:
    """A query of one model, rendered for the database that the model is bound to."""

    def __init__(self, query: Any) -> None:
        """Take a query of peewee with `param` for its values."""
        self._query = query
        # Not read from the cursor after the run, because psycopg is slow to describe the columns.
        self._returns_rows = isinstance(query, peewee.SelectBase) or bool(query._returning)
        self._rendered: _Rendered | None = None

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run it and return all rows; an empty list for a statement that returns none."""
        rendered = self._for_this_database()
        cursor = rendered.database.execute_sql(rendered.sql, rendered.filled(values))
        return cursor.fetchall() if self._returns_rows else []

    def row(self, **values: Any) -> tuple[Any, ...] | None:
        """Run it and return the first row, or None."""
        rows = self.rows(**values)
        return rows[0] if rows else None

    def many(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each set of values."""
        rendered = self._for_this_database()
        with _PEEWEE_ERRORS:
            rendered.database.cursor().executemany(rendered.sql, [rendered.filled(each) for each in values])

    def only(self, column: Any) -> Statement:
        """Return the same query with one column. For rare cases: it is rendered each time."""
        return Statement(self._query.select(column))

    def plan(self, **values: Any) -> str:
        """Return the engine's plan, one step on each line."""
        rendered = self._for_this_database()
        explain = "EXPLAIN " if isinstance(rendered.database, peewee.PostgresqlDatabase) else "EXPLAIN QUERY PLAN "
        rows = rendered.database.execute_sql(explain + rendered.sql, rendered.filled(values)).fetchall()
        return "\n".join(str(row[-1]) for row in rows)

    def _for_this_database(self) -> _Rendered:
        rendered = self._rendered
        database = self._query.model._meta.database
        if rendered is None or rendered.database is not database:
            sql, parameters = database.get_sql_context().sql(self._query).query()
            self._rendered = rendered = _Rendered(database, sql, parameters)
        return rendered
