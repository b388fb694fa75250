"""The content of a store: its tables, their rows, and other facts, read from a SQLite file or from PostgreSQL."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playhouse.cysqlite_ext import cysqlite

from service_kit.store_checks import HISTORY


@dataclass(frozen=True)
class Contents:
    migrations: list[str]
    rows: dict[str, int]
    facts: dict[str, Any]


def quoted(name: str) -> str:
    """Quote a name for a statement of either engine."""
    return '"' + name.replace('"', '""') + '"'


def sqlite_tables(connection: Any) -> list[str]:
    """Return the ordinary tables: neither virtual ones nor the tables of their indexes."""
    return sorted(
        name
        for schema, name, kind, *_ in connection.execute("PRAGMA table_list")
        if schema == "main" and kind == "table" and not name.startswith("sqlite_")
    )


def sqlite_columns(connection: Any, table: str) -> list[str]:
    """Return the columns that are stored, and not computed."""
    columns = connection.execute(f"PRAGMA table_xinfo({quoted(table)})")
    return [name for _, name, _, _, _, _, hidden in columns if not hidden]


def sqlite_migrations(connection: Any, tables: Collection[str]) -> list[str]:
    """Return the migrations that were applied to the store."""
    if HISTORY not in tables:
        return []
    return [name for (name,) in connection.execute(f"SELECT name FROM {HISTORY} ORDER BY name")]


def sqlite_contents(connection: Any, facts: Mapping[str, str]) -> Contents:
    """Return the number of rows of each table, and the results of the queries `facts`, each with at most one value.

    A query for a column that the store does not have yet has the result None.
    """
    tables = sqlite_tables(connection)
    rows = {}
    for table in tables:
        ((rows[table],),) = list(connection.execute(f"SELECT count(*) FROM {quoted(table)}"))
    answers = {name: _answer(connection, query) for name, query in facts.items()}
    return Contents(sqlite_migrations(connection, tables), rows, answers)


def _answer(connection: Any, query: str) -> Any:
    try:
        return next((row[0] for row in connection.execute(query)), None)
    except cysqlite.OperationalError as error:
        if "no such column" not in str(error):
            raise
        return None


def integrity_problem(connection: Any) -> str:
    """Return the problem that SQLite finds in a file, with its word indexes; empty if there is none."""
    found = [text for (text,) in connection.execute("PRAGMA integrity_check(1)")]
    return "" if found == ["ok"] else "; ".join(" ".join(text.split()) for text in found)


@contextlib.contextmanager
def unchanging_file(file: Path) -> Iterator[Any]:
    """Yield a connection to a file that no process changes; SQLite makes no other files for it."""
    connection = cysqlite.Connection(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def loading_order(tables: Collection[str], triggers: Iterable[tuple[str, str]]) -> list[str]:
    """Put tables that a trigger fills after the one whose rows fire it; `triggers` has the table and the text of each.

    So what a trigger has written can be replaced by the rows that the table had.
    """
    after: dict[str, set[str]] = {table: set() for table in tables}
    for source, text in triggers:
        for word in set(re.findall(r"\w+", text)) - {source}:
            if word in after and source in after:
                after[word].add(source)
    ordered: list[str] = []

    def place(table: str, above: frozenset[str]) -> None:
        if table in ordered or table in above:
            return
        for earlier in sorted(after[table]):
            place(earlier, above | {table})
        ordered.append(table)

    for table in sorted(tables):
        place(table, frozenset())
    return ordered
