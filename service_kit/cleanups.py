"""Cleanups: rows that are no longer needed are deleted after calls, some hundreds at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import peewee
from playhouse.pool import MaxConnectionsExceeded

from service_kit.logs import logger
from service_kit.statements import Statement
from service_kit.store import Store

ROWS = 500
"""The most rows of a table that one cleanup deletes: a few milliseconds of work."""

BACKLOG_SECONDS = 1.0
"""Seconds to the next cleanup after one that found `ROWS` rows, so that there can be more."""

log = logger(__name__)


class Deletion:
    """Deletes at most `ROWS` rows that fulfil a condition, the first ones in an order.

    Each process does so for itself. On PostgreSQL, rows that another one has locked are skipped, so none waits.
    """

    def __init__(self, key: peewee.Field, condition: object, order: peewee.Field) -> None:
        """Take the primary key of the model, and the condition, which may have parameters."""
        model = key.model
        query = model.select(key).where(condition).order_by(order).limit(ROWS)
        self._of_all, self._of_unlocked = (
            Statement(model.delete().where(key.in_(rows)).returning(key))
            for rows in (query, query.for_update(skip_locked=True))
        )

    def run(self, store: Store, **values: object) -> int:
        """Delete rows within a transaction; return how many there were."""
        statement = self._of_unlocked if store.is_postgresql else self._of_all
        return len(statement.rows(**values))


class Turns:
    """Decides after a call whether its thread has to do a cleanup: one at a time, and not more often than needed."""

    def __init__(self, seconds: float, failure: str) -> None:
        """Let `seconds` pass between two cleanups. `failure` is the event in the log for one that fails."""
        self._seconds, self._failure = seconds, failure
        self._lock = threading.Lock()
        self._next = 0.0  # monotonic seconds

    def run_if_due(self, store: Store, run: Callable[[], int]) -> None:
        """Do a cleanup if one is due and no other thread is doing it. `run` returns how many rows it has deleted."""
        if time.monotonic() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            self._next = time.monotonic() + self._seconds
            if run() >= ROWS:
                self._next = time.monotonic() + BACKLOG_SECONDS
        except (peewee.PeeweeException, MaxConnectionsExceeded) as error:
            # The work of the call is committed, so the call must be answered. The next cleanup tries again.
            log.warning(self._failure, error=store.said(error))
        finally:
            self._lock.release()
