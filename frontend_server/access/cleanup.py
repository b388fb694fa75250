"""Deletes sessions that have ended and failures that no longer count, some hundreds at a time."""

from __future__ import annotations

from frontend_server.store.models import Session, SignInTally
from service_kit.cleanups import Deletion, Turns
from service_kit.clock import DAY, Clock
from service_kit.statements import param
from service_kit.store import Store

FAILURES_KEPT = DAY
KNOWN_KEPT = 180 * DAY
"""How long it is remembered that a user signs in from an address, after the last time."""

SESSIONS = Deletion(Session.key, Session.expire_time < param("before"), Session.expire_time)
_IS_OLD = SignInTally.time < param("before")
FAILURES = Deletion(SignInTally.subject, (SignInTally.is_known == 0) & _IS_OLD, SignInTally.time)
KNOWN = Deletion(SignInTally.subject, (SignInTally.is_known == 1) & _IS_OLD, SignInTally.time)


class Cleanup:
    """Deletes rows of one store, after a user has signed in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._turns = Turns(store.times.cleanup_seconds, "cannot delete sessions that have ended")

    def run_if_due(self) -> None:
        """Delete a batch if a cleanup is due and no other thread is doing it. Errors are logged."""
        self._turns.run_if_due(self._store, self.run)

    def run(self) -> int:
        """Delete some rows of each kind; return how many there were."""
        now = self._clock()
        jobs = ((SESSIONS, now), (FAILURES, now - FAILURES_KEPT), (KNOWN, now - KNOWN_KEPT))
        with self._store.writing():
            return sum(deletion.run(self._store, before=before) for deletion, before in jobs)
