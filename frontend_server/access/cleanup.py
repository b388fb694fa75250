"""Deletes sessions that have ended and failures that no longer count, some hundreds at a time."""

from __future__ import annotations

import threading
import time

import peewee
from playhouse.pool import MaxConnectionsExceeded

from frontend_server.store.models import Session, SignInTally
from service_kit.clock import DAY, Clock
from service_kit.logs import logger
from service_kit.statements import Statement, param
from service_kit.store import Store

ROWS = 500
"""The most rows of a table that one cleanup deletes."""

BACKLOG_SECONDS = 1.0
"""Seconds to the next cleanup after one that found `ROWS` rows, so that there can be more."""

FAILURES_KEPT = DAY
KNOWN_KEPT = 180 * DAY
"""How long it is remembered that a user signs in from an address, after the last time."""

log = logger(__name__)


def _statement(model: type[peewee.Model], key: peewee.Field, condition: object, order: peewee.Field) -> list[Statement]:
    """Return the statement for SQLite, and the one for PostgreSQL, which skips rows that another one has locked."""
    query = model.select(key).where(condition).order_by(order).limit(ROWS)
    return [
        Statement(model.delete().where(key.in_(rows)).returning(key))
        for rows in (query, query.for_update(skip_locked=True))
    ]


SESSIONS = _statement(Session, Session.key, Session.expire_time < param("before"), Session.expire_time)
FAILURES = _statement(
    SignInTally,
    SignInTally.subject,
    (SignInTally.is_known == 0) & (SignInTally.time < param("before")),
    SignInTally.time,
)
KNOWN = _statement(
    SignInTally,
    SignInTally.subject,
    (SignInTally.is_known == 1) & (SignInTally.time < param("before")),
    SignInTally.time,
)


class Cleanup:
    """Deletes rows of one store, after a user has signed in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._next = 0.0  # monotonic seconds

    def run_if_due(self) -> None:
        """Delete a batch if a cleanup is due and no other thread is doing it. Errors are logged."""
        if time.monotonic() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            self._next = time.monotonic() + self._store.times.cleanup_seconds
            if self.run() >= ROWS:
                self._next = time.monotonic() + BACKLOG_SECONDS
        except (peewee.PeeweeException, MaxConnectionsExceeded) as error:
            # The user has signed in, and must get the answer. The next cleanup tries again.
            log.warning("cannot delete sessions that have ended", error=self._store.said(error))
        finally:
            self._lock.release()

    def run(self) -> int:
        """Delete at most `ROWS` rows of each kind; return how many there were."""
        now = self._clock()
        jobs = ((SESSIONS, now), (FAILURES, now - FAILURES_KEPT), (KNOWN, now - KNOWN_KEPT))
        with self._store.writing():
            return sum(len(statements[self._store.is_postgresql].rows(before=before)) for statements, before in jobs)
