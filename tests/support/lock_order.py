"""Which rows the statements of a transaction lock, and whether it locks them in the order that a service states."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from service_kit.series import SERIES_ID
from service_kit.store import Store
from tests.support.processes import ROOT

_LOCKS = re.compile(
    r'\s*(?:(INSERT) INTO|(UPDATE)|(DELETE) FROM) "?(?P<written>\w+)"?|'
    r'\s*(SELECT) .* FROM "?(?P<read>\w+)"? .*FOR UPDATE',
    re.DOTALL,
)
_LOCKS_NOTHING = re.compile(r"\s*(SELECT|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|ANALYZE)\b")
_ONE_ROW = re.compile(r'"(id|key|one|subject)" = |\bid = |"credential".* "user_id" = ')


class Lock(NamedTuple):
    """A statement that locks rows."""

    verb: str
    table: str
    sql: str


@dataclass(frozen=True)
class Rules:
    """What a service states of its locks."""

    order: tuple[str, ...]
    guarded: Mapping[str, str]
    """Tables that are only written with a row of another table locked."""
    new_rows: Mapping[str, str]
    """Tables into which rows may be inserted after their place in the order, and what has to be locked for it, if any.

    Such a row waits for nobody: its unique keys were made for it, or are only written with the other table locked.
    """
    many_rows: str
    """The table to lock before several rows of another one are locked."""
    rows_of_one: Mapping[str, str] = field(default_factory=dict)
    """Tables of which several rows may be locked if they belong to one row of another table, which is locked."""
    unique_columns: tuple[str, ...] = ()
    """Columns whose unique values clients choose. Writing one can wait, so it is not done with the counter locked."""
    alone: frozenset[str] = frozenset()
    """Tables that are written in transactions of their own."""

    def problems(self, locks: list[Lock]) -> Iterator[str]:
        """Yield what a transaction does in another order, or without the lock that it needs."""
        locked: list[str] = []
        for lock in locks:
            if lock.table in self.alone:
                found = self._beside_others(lock, locked)
            elif lock.table in self.guarded or (lock.verb == "INSERT" and lock.table in self.new_rows):
                found = self._unguarded(lock, locked)
            else:
                found = self._out_of_order(lock, locked)
            yield from (f"{problem}: {lock.sql}" for problem in found)
            locked.append(lock.table)

    def _beside_others(self, lock: Lock, locked: list[str]) -> Iterator[str]:
        if set(locked) - {lock.table}:
            yield f"{lock.table} is not written alone"

    def _unguarded(self, lock: Lock, locked: list[str]) -> Iterator[str]:
        needed = self.guarded.get(lock.table) or self.new_rows[lock.table]
        if needed and needed not in locked:
            yield f"{lock.table} is written without {needed}"

    def _out_of_order(self, lock: Lock, locked: list[str]) -> Iterator[str]:
        verb, table, sql = lock
        if table not in self.order:
            yield f"{table} has no place in the order"
            return
        if "counter" in locked and any(f'"{column}" = ' in sql for column in self.unique_columns):
            yield "a unique key is written with the counter locked"
        waits_for_one = verb == "INSERT" or "SKIP LOCKED" in sql or _ONE_ROW.search(sql)
        if not waits_for_one and not {self.many_rows, self.rows_of_one.get(table)} & {*locked, table}:
            yield f"many rows are locked without {self.many_rows}"
        later = [each for each in locked if each in self.order[self.order.index(table) + 1 :]]
        if later and table not in locked:
            yield f"{table} is locked after {later[0]}"


@dataclass
class Recorder:
    """Notes the locks of each transaction of this process on PostgreSQL, and which functions began to write."""

    transactions: list[list[Lock]] = field(default_factory=list)
    writers: set[str] = field(default_factory=set)
    _open: dict[int, list[Lock]] = field(default_factory=dict)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note all statements from now on."""
        for name in ("execute", "executemany"):
            monkeypatch.setattr(psycopg.Cursor, name, self._noting(getattr(psycopg.Cursor, name)))
        writing = Store.writing

        def noted(store: Store) -> AbstractContextManager[None]:
            code = sys._getframe(1).f_code
            self.writers.add(f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_name}")
            return writing(store)

        monkeypatch.setattr(Store, "writing", noted)

    def _noting(self, execute: Any) -> Any:
        def run(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(id(cursor.connection), query if isinstance(query, str) else query.as_string(cursor))
            return execute(cursor, query, *args, **kwargs)

        return run

    def _note(self, connection: int, sql: str) -> None:
        verb = sql.split(maxsplit=1)[0].rstrip(";")
        if verb == "BEGIN":
            self._open[connection] = []
        elif found := _LOCKS.match(sql):
            table = found["written"] or found["read"]
            is_series = table == "counter" and re.search(rf"\bid = {SERIES_ID}\b", sql)
            lock = Lock(verb, "series" if is_series else table, sql)
            if connection in self._open:
                self._open[connection].append(lock)
            else:
                self.transactions.append([lock])
        else:
            assert _LOCKS_NOTHING.match(sql), f"what does this lock? {sql}"
            if verb == "COMMIT" or (verb == "ROLLBACK" and "SAVEPOINT" not in sql):
                self.transactions.append(self._open.pop(connection, []))


def functions_that_write(*paths: str) -> set[str]:
    """Return all functions in these files and folders that begin a transaction with `writing`, as `file:name`."""
    files = [
        file for path in paths for file in ([ROOT / path] if path.endswith(".py") else (ROOT / path).rglob("*.py"))
    ]
    return {f"{file.relative_to(ROOT)}:{name}" for file in files for name in _writers(ast.parse(file.read_text()))}


def _writers(tree: ast.AST, function: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "writing":
            yield function
        yield from _writers(node, node.name if isinstance(node, ast.FunctionDef) else function)
