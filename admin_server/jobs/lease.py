"""The lease: one process at a time runs jobs, and another one takes over soon after it was killed.

The owner counts a number up. A process that has seen the same number for ten seconds of its own monotonic clock takes
the lease, so no clock of another machine, and no step of a wall clock, matters. Every transaction of a run begins with
`keep`: a process that was stopped for a while, and lost the lease meanwhile, changes nothing afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import peewee
from playhouse.pool import MaxConnectionsExceeded

from admin_server.store.models import SourceLease
from service_kit.errors import ServiceError
from service_kit.ids import new_id
from service_kit.logs import logger
from service_kit.statements import Statement, param
from service_kit.store import Store

BEATS = 5
"""How often the owner counts up in the time after which it loses the lease."""

ONE = 1

FIND = Statement(SourceLease.select(SourceLease.owner, SourceLease.beat).where(SourceLease.one == ONE))
KEEP = Statement(
    SourceLease.update(beat=SourceLease.beat + 1)
    .where(SourceLease.one == ONE, SourceLease.owner == param("owner"))
    .returning(SourceLease.beat)
)
TAKE = Statement(
    SourceLease.update(owner=param("owner"), beat=SourceLease.beat + 1)
    .where(SourceLease.one == ONE, SourceLease.owner == param("last_owner"), SourceLease.beat == param("beat"))
    .returning(SourceLease.beat)
)
RELEASE = Statement(SourceLease.update(owner="").where(SourceLease.one == ONE, SourceLease.owner == param("owner")))

log = logger(__name__)


class LeaseLost(Exception):
    """Another process has taken over. The transaction is rolled back, and the run of this process ends."""


class Lease:
    """The lease as one process sees it."""

    def __init__(self, store: Store, seconds: float) -> None:
        """Take the seconds after which a silent owner loses it."""
        self._store = store
        self._seconds = seconds
        self.owner = new_id()
        self._seen: tuple[str, int] | None = None
        self._seen_at = 0.0

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the lease if no process has it, and release it at the end; yield whether it was taken."""
        if not self._take():
            yield False
            return
        stop = threading.Event()
        beats = threading.Thread(target=self._count_up, args=(stop,), name="lease", daemon=True)
        beats.start()
        try:
            yield True
        finally:
            stop.set()
            beats.join()
            self._release()

    def keep(self) -> None:
        """Lock the row of the lease until the present transaction ends. Raises `LeaseLost`."""
        if KEEP.row(owner=self.owner) is None:
            raise LeaseLost

    def _take(self) -> bool:
        with self._store.reading():
            found = FIND.row()
        if found is None:
            with self._store.writing():
                SourceLease.insert(one=ONE, owner="", beat=0).on_conflict_ignore().execute()
            found = ("", 0)
        if found[0] and not self._is_silent(found):
            return False
        with self._store.writing():
            return TAKE.row(owner=self.owner, last_owner=found[0], beat=found[1]) is not None

    def _is_silent(self, found: tuple[str, int]) -> bool:
        """Return whether the owner has not counted up for too long."""
        now = time.monotonic()
        if found != self._seen:
            self._seen, self._seen_at = found, now
        return now - self._seen_at >= self._seconds

    def _count_up(self, stop: threading.Event) -> None:
        try:
            while not stop.wait(self._seconds / BEATS):
                try:
                    with self._store.writing():
                        self.keep()
                except (ServiceError, peewee.PeeweeException, MaxConnectionsExceeded) as error:
                    log.debug("the lease was not kept", error=self._store.said(error))
        except LeaseLost:
            log.info("another process has taken over the jobs")
        finally:
            self._store.database.close()  # that of this thread

    def _release(self) -> None:
        try:
            with self._store.writing():
                RELEASE.rows(owner=self.owner)
        except (ServiceError, peewee.PeeweeException, MaxConnectionsExceeded) as error:
            log.warning("the lease was not released; it ends by itself", error=self._store.said(error))
