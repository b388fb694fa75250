"""A lock on a SQLite store, shared by all processes that use it. A process that has it alone may replace the file.

It is a `flock` on a file of its own, so it ends with the process, however that ends. SQLite's own locks are on the
database file, and closing any other descriptor of that file would drop them.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from service_kit.sqlite.files import LOCK, sibling


class StoreLock:
    """The lock of the store in `file`. One object is used by one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._path = sibling(file, LOCK)
        self._file = file
        self._descriptor: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the lock file is open: the lock is held, or was not released."""
        return self._descriptor is not None

    def try_alone(self) -> bool:
        """Take the lock for this process alone, at once or not at all. A shared lock is released first.

        Raises OSError.
        """
        return self._try(fcntl.LOCK_EX)

    def alone_or_shared(self, seconds: float) -> bool | None:
        """Take the lock alone if no other process has it, and otherwise together with others.

        Returns True when alone, False when shared, and None when another process has it alone for all of `seconds`.
        Raises OSError.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._try(fcntl.LOCK_EX):
                return True
            if self._try(fcntl.LOCK_SH):
                return False
            if time.monotonic() > deadline:
                return None
            time.sleep(0.01)

    def share(self, seconds: float) -> bool:
        """Take the lock together with others, also if this process has it alone; return False if not within `seconds`.

        Raises OSError.
        """
        deadline = time.monotonic() + seconds
        while not self._try(fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, kind: int) -> bool:
        if self._descriptor is None:
            self._descriptor = self._opened()
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _opened(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # As SQLite does with its log: a file of root must be usable by the service, which owns the database file.
        if os.geteuid() == 0 and self._file.exists():
            owner = self._file.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor
