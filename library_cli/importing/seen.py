"""A set of numbers in a temporary file: a million numbers need a few megabytes of memory."""

from __future__ import annotations

import sqlite3


class Seen:
    """A set of numbers of 64 bits. Its file has no name, and is removed when the process ends."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -8000")  # kB
        self._database.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY)")
        self._database.execute("BEGIN")

    def add(self, number: int) -> bool:
        """Add a number; return whether it is new."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (number,)).rowcount == 1

    def close(self) -> None:
        """Remove all numbers."""
        self._database.close()
