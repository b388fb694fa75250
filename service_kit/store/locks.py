"""Locks by name among the processes that share a PostgreSQL database."""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Iterator
from typing import Any

import peewee

from service_kit.logs import logger
from service_kit.postgresql import Pool

log = logger(__name__)


class AdvisoryLocks:
    """PostgreSQL's advisory locks of sessions, which end with their session if nothing else ends them."""

    def __init__(self, pool: Pool, locked_out_seconds: float) -> None:
        self._pool: Any = pool  # peewee has no types for it
        self._locked_out_seconds = locked_out_seconds
        self._locked_out_since: dict[str, float] = {}

    @contextlib.contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Take a lock on this thread's connection if it is free; yield whether to go on, and release it."""
        key = zlib.crc32(name.encode())
        (locked,) = self._pool.execute_sql("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
        if locked:
            self._locked_out_since.pop(name, None)
        try:
            yield locked or self._is_locked_out(name)
        finally:
            if locked and not self._pool.is_closed():
                self._unlock(name, key)

    def _unlock(self, name: str, key: int) -> None:
        """Release the lock; if that fails, end the session, which releases all its locks."""
        try:
            (released,) = self._pool.execute_sql("SELECT pg_advisory_unlock(%s)", (key,)).fetchone()
        except (peewee.DatabaseError, peewee.InterfaceError):  # not raised, as it would hide an earlier error
            released = False
        else:
            if not released:
                log.error("a lock was lost; is a connection pooler in between that is not in session mode?", lock=name)
        if not released:
            self._pool.discard_connection()

    def _is_locked_out(self, name: str) -> bool:
        """Return whether others have had the lock at every try for `locked_out_seconds`: it was left behind."""
        now = time.monotonic()
        since = self._locked_out_since.setdefault(name, now)
        if now - since < self._locked_out_seconds:
            return False
        log.warning("going on without a lock that others have had for long", lock=name, seconds=round(now - since))
        self._locked_out_since[name] = now
        return True
