"""Finding rows by the words in one of their text columns: FTS5 on SQLite, a GIN index over tsvector on PostgreSQL.

The column holds words as `words_of` gives them, so that both engines, each with rules of its own, find the same rows.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import peewee

_SIMPLE = peewee.SQL("'simple'::regconfig")
_WORD = re.compile(r"[^\W_]+")  # letters and digits, as str.isalnum has them


def words_of(text: str) -> list[str]:
    """Split a text into words: letters and digits, without case and accents, whatever stands between them."""
    # Taken apart first: a letter such as the mathematical bold A has a case only once it is an A.
    folded = unicodedata.normalize("NFKD", text).casefold()
    if not folded.isascii():
        bare = (char for char in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(char))
        folded = "".join(bare)
    return _WORD.findall(folded)


def create_word_index(database: peewee.Database, table: str, key: str, column: str) -> None:
    """Make the index over `table.column`, kept current by the database itself. `key` is the integer primary key."""
    if isinstance(database, peewee.PostgresqlDatabase):
        # New words wait in a list that each search reads from end to end: some 40 ms at the 4 MB of the default.
        database.execute_sql(
            f"CREATE INDEX {table}_{column} ON {table} USING gin (to_tsvector('simple'::regconfig, {column})) "
            "WITH (gin_pending_list_limit = 64)"  # kB
        )
        return
    index = f"{table}_{column}"
    insert = f"INSERT INTO {index} (rowid, {column}) VALUES (new.{key}, new.{column});"
    delete = f"DELETE FROM {index} WHERE rowid = old.{key};"
    database.execute_sql(
        # The ascii tokenizer takes every other character for a letter, so it never splits what words_of joined.
        f"CREATE VIRTUAL TABLE {index} "
        f"USING fts5({column}, content='', contentless_delete=1, detail=none, tokenize=ascii)"
    )
    database.execute_sql(f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {insert} END")
    database.execute_sql(f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {delete} END")
    database.execute_sql(
        f"CREATE TRIGGER {index}_update AFTER UPDATE OF {column} ON {table} "
        f"WHEN new.{column} <> old.{column} BEGIN {delete} {insert} END"
    )


def rows_with_words(
    database: peewee.Database, query: Any, key: peewee.Field, column: peewee.Field, words: Any, after: Any
) -> Any:
    """Narrow a query to the rows that have all the words and a key beyond `after`, in the order of the key.

    `words` is a value or a slot for what `match` gives. SQLite reads its index in this order already, so a page costs
    the same whether a word is in fifty books or in most; PostgreSQL has to sort what it finds.
    """
    if isinstance(database, peewee.PostgresqlDatabase):
        return _rows_with_tsquery(query, key, column, peewee.fn.plainto_tsquery(_SIMPLE, words), after)
    name = f"{column.model._meta.table_name}_{column.column_name}"
    index = peewee.Table(name)
    has_words = peewee.Expression(index.c[name], "MATCH", words)
    return (
        query.from_(column.model, index)
        .where(has_words, index.c.rowid == key, index.c.rowid > after)
        .order_by(index.c.rowid)
    )


def match(database: peewee.Database, words: list[str]) -> str:
    """Write the words down as `rows_with_words` wants them bound."""
    if isinstance(database, peewee.PostgresqlDatabase):
        return " ".join(words)
    return " ".join(f'"{word}"' for word in words)


def rows_with_prefixes(
    database: peewee.Database, query: Any, key: peewee.Field, column: peewee.Field, words: Any, after: Any
) -> Any:
    """Like `rows_with_words`, but a row has a word when one of its words begins with it.

    `words` is a value or a slot for what `prefix_match` returns.
    """
    if isinstance(database, peewee.PostgresqlDatabase):
        return _rows_with_tsquery(query, key, column, peewee.fn.to_tsquery(_SIMPLE, words), after)
    return rows_with_words(database, query, key, column, words, after)


def prefix_match(database: peewee.Database, words: list[str]) -> str:
    """Write the words down as `rows_with_prefixes` wants them bound."""
    if isinstance(database, peewee.PostgresqlDatabase):
        return " & ".join(f"'{word}':*" for word in words)
    return " ".join(f'"{word}"*' for word in words)


def _rows_with_tsquery(query: Any, key: peewee.Field, column: peewee.Field, tsquery: Any, after: Any) -> Any:
    has_words = peewee.Expression(peewee.fn.to_tsvector(_SIMPLE, column), "@@", tsquery)
    return query.where(has_words, key > after).order_by(key)
