"""Finding rows by the words in one of their text columns: FTS5 on SQLite, a GIN index over tsvector on PostgreSQL.

All knowledge of language is in `service_kit.text`, in Python: the column contains the words by which a row is found,
and the engines only compare them, byte by byte. So both find the same rows. PostgreSQL's own text parser is not
used: it depends on the locale and splits words of Indic scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import peewee

from service_kit.text import expressions
from service_kit.text.expressions import Expression, Word, all_of

SHORT_PREFIXES = "1 2 3"
"""The lengths of prefixes that FTS5 keeps an index of. Longer ones have few words, which a search can merge."""


def create_word_index(database: peewee.Database, table: str, key: str, column: str) -> None:
    """Make the index over `table.column`, kept current by the database itself. `key` is the integer primary key.

    Rows that are in the table already are indexed, too.
    """
    if isinstance(database, peewee.PostgresqlDatabase):
        # New words wait in a list that each search reads from end to end: some 40 ms at the 4 MB of the default.
        database.execute_sql(
            f"CREATE INDEX {table}_{column} ON {table} USING gin (array_to_tsvector(string_to_array({column}, ' '))) "
            "WITH (gin_pending_list_limit = 64)"  # kB
        )
        return
    index = f"{table}_{column}"
    insert = f"INSERT INTO {index} (rowid, {column}) VALUES (new.{key}, new.{column});"
    delete = f"DELETE FROM {index} WHERE rowid = old.{key};"
    database.execute_sql(
        # The ascii tokenizer takes every character beyond ASCII for a letter, so it splits at blanks only.
        f"CREATE VIRTUAL TABLE {index} USING fts5({column}, content='', contentless_delete=1, detail=none, "
        f"prefix='{SHORT_PREFIXES}', tokenize=\"ascii tokenchars '+#'\")"
    )
    database.execute_sql(f"INSERT INTO {index} (rowid, {column}) SELECT {key}, {column} FROM {table}")
    database.execute_sql(f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {insert} END")
    database.execute_sql(f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {delete} END")
    database.execute_sql(
        f"CREATE TRIGGER {index}_update AFTER UPDATE OF {column} ON {table} "
        f"WHEN new.{column} <> old.{column} BEGIN {delete} {insert} END"
    )


def drop_word_index(database: peewee.Database, table: str, column: str) -> None:
    """Remove an index that `create_word_index` made, if there is one. A contentless FTS5 table cannot be rebuilt."""
    index = f"{table}_{column}"
    if isinstance(database, peewee.PostgresqlDatabase):
        database.execute_sql(f"DROP INDEX IF EXISTS {index}")
        return
    for event in ("insert", "delete", "update"):
        database.execute_sql(f"DROP TRIGGER IF EXISTS {index}_{event}")
    database.execute_sql(f"DROP TABLE IF EXISTS {index}")


def rows_with_words(
    database: peewee.Database, query: Any, key: peewee.Field, column: peewee.Field, words: Any, after: Any
) -> Any:
    """Narrow a query to the rows that match and have a key beyond `after`, in the order of the key.

    `words` is what `match` returns, or a parameter for it. SQLite reads its index in this order already, so a page
    costs the same whether a word is in fifty books or in most; PostgreSQL has to sort the rows.
    """
    if isinstance(database, peewee.PostgresqlDatabase):
        # By key + 0 and not by the key: a prepared statement is planned without its words, and PostgreSQL would hope to
        # find some rows soon in the order of the key. Where there are few it would read the whole table.
        return query.where(_has_words(column, words), key > after).order_by(key + 0)
    index, has_words = _index_of(column, words)
    return (
        query.from_(column.model, index)
        .where(has_words, index.c.rowid == key, index.c.rowid > after)
        .order_by(index.c.rowid)
    )


def keys_with_words(database: peewee.Database, key: peewee.Field, column: peewee.Field, words: Any, limit: int) -> Any:
    """Return a query of the column `key`, for at most `limit` rows that match, in no order."""
    if isinstance(database, peewee.PostgresqlDatabase):
        return column.model.select(key).where(_has_words(column, words)).limit(limit)
    index, has_words = _index_of(column, words)
    return index.select(index.c.rowid.alias(key.column_name)).where(has_words).limit(limit)


def _has_words(column: peewee.Field, words: Any) -> Any:
    vector = peewee.fn.array_to_tsvector(peewee.fn.string_to_array(column, peewee.SQL("' '")))
    return peewee.Expression(vector, "@@", peewee.Cast(words, "tsquery"))


def _index_of(column: peewee.Field, words: Any) -> tuple[Any, Any]:
    name = f"{column.model._meta.table_name}_{column.column_name}"
    index: Any = peewee.Table(name)
    return index, peewee.Expression(index.c[name], "MATCH", words)


def match(database: peewee.Database, words: Expression | Sequence[str], *, prefix: bool = False) -> str:
    """Return a search expression in the syntax of the engine, as a value for `rows_with_words`.

    Of a list, all words are needed, with `prefix` each as a word or the beginning of one.
    """
    if isinstance(words, Sequence):
        words = all_of([Word(word, prefix) for word in words])
    is_postgresql = isinstance(database, peewee.PostgresqlDatabase)
    return _written(words, _TSQUERY if is_postgresql else _FTS5)


class _Syntax:
    def __init__(self, quote: str, prefix: str, both: str, either: str, but: str) -> None:
        self.quote, self.prefix, self.both, self.either, self.but = quote, prefix, both, either, but


_FTS5 = _Syntax(quote='"', prefix=" *", both=" AND ", either=" OR ", but=" NOT ")
_TSQUERY = _Syntax(quote="'", prefix=":*", both=" & ", either=" | ", but=" & !")


def _written(expression: Expression, syntax: _Syntax) -> str:
    if isinstance(expression, Word):
        # Words have no quotes. Doubling them keeps an error elsewhere from becoming an injection.
        text = expression.text.replace("\\", "\\\\").replace(syntax.quote, syntax.quote * 2)
        return syntax.quote + text + syntax.quote + (syntax.prefix if expression.prefix else "")
    if isinstance(expression, expressions.But):
        return f"({_written(expression.wanted, syntax)}{syntax.but}{_written(expression.unwanted, syntax)})"
    operator = syntax.both if isinstance(expression, expressions.All) else syntax.either
    return "(" + operator.join(_written(part, syntax) for part in expression.parts) + ")"
