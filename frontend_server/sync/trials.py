"""Parts of a transaction that may fail without failing the rest, and which errors are the fault of a row."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from service_kit.store import Store, is_unavailable

REASON_LENGTH = 500

Outcome = TypeVar("Outcome")

_STATEMENT = re.compile(r"^error executing query: \[.*\] ", re.DOTALL)
"""What cysqlite puts before SQLite's own message."""


class Unfit(ValueError):
    """A change that this store has no valid row for. The message is the reason."""


class Trials:
    """Parts of one transaction that may fail without failing the whole; each is tried in a savepoint.

    A failure may end the transaction all the same: a trigger on SQLite can roll it back. Then run the transaction again
    with the same trials: a part that has failed once is not tried a second time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reasons: dict[str, str] = {}
        """Why each failed part failed, by its name."""

    def run(self, name: str, part: Callable[[], object]) -> bool:
        """Run a part and return whether it succeeded. Raise what is not the row's fault, such as a lost connection."""
        if name in self.reasons:
            return False
        failure: Exception | None = None
        try:
            with self._store.database.atomic():
                try:
                    part()
                    if self._store.is_postgresql:
                        # Otherwise deferred constraints are checked at the commit, for all rows.
                        self._store.database.execute_sql("SET CONSTRAINTS ALL IMMEDIATE")
                except Exception as error:  # of any kind: one bad row must not stop the others
                    failure = error
                    if blames_the_row(error):
                        self.reasons[name] = reason_of(error)
                    raise
        except Exception as error:
            if error is not failure or name not in self.reasons or self._store.has_lost_transaction():
                raise
        return failure is None

    def repeat(self, transaction: Callable[[], Outcome]) -> Outcome:
        """Run a transaction; run it again as long as one more part of it fails and ends the whole."""
        while True:
            known = len(self.reasons)
            try:
                return transaction()
            except Exception as error:
                if len(self.reasons) == known or not blames_the_row(error):
                    raise


def blames_the_row(error: Exception) -> bool:
    """Return whether the same statement with other values might have succeeded."""
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    if sqlstate.startswith("54"):  # such as a value too large for an index; psycopg raises it as an OperationalError
        return True
    if sqlstate.startswith("25"):  # the transaction: it is read-only after a switchover, or was ended from outside
        return False
    return not is_unavailable(error)


def reason_of(error: Exception) -> str:
    """Describe an error in one line of ASCII. Only its first line: PostgreSQL names values of other rows below it."""
    if isinstance(error, Unfit):
        return plain(str(error))[:REASON_LENGTH]
    cause = getattr(error, "orig", None) or error
    lines = _STATEMENT.sub("", str(cause)).strip().splitlines()
    return plain(f"{type(cause).__name__}: {lines[0] if lines else 'no message'}")[:REASON_LENGTH]


def plain(text: str) -> str:
    """Escape characters that are not printable ASCII, which some stores cannot keep."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isascii() and char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
