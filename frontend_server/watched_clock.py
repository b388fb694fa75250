"""The clock of the frontend, compared with the newest time in its store.

A machine whose clock has no battery starts in 1970, and the fine for a loan of that day would be thousands when it is
returned today. Every time in the store has passed. So if the clock is more than a day behind the newest one, the clock
is wrong, and no book is lent, renewed or returned. Enrolling and browsing continue.

The newest time is kept in one row, the mark. It is raised after a call that wrote a newer time, at most once a minute,
so that most loans need no further statement. While the store has no user, the mark also follows the times of the
admin's books, which another machine may have written. A process re-reads it at each sync interval, because other
processes of the store raise it, too.

If the store is wrong, because the clock was years ahead once, `accept` sets the mark to now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import peewee
from playhouse.pool import MaxConnectionsExceeded

from frontend_server.store.models import ClockMark, User
from library.sync.v1.sync_service_pb2 import ListCatalogChangesResponse
from library_domain.errors import ClockBehind
from service_kit.clock import DAY, SECOND, Clock, rfc3339
from service_kit.logs import logger
from service_kit.statements import Statement, param
from service_kit.store import Store

RELEASE_TIME = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""Microseconds since 1970. A clock that shows an earlier time is wrong, because this program did not exist then."""

TOLERANCE = DAY
"""How far the clock may be behind the mark: more than the difference of two clocks that were set by hand."""

END_OF_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
"""Seconds since 1970: the last day of a valid Timestamp."""

STEP = 60 * SECOND
"""The mark is raised by at least this much."""

READ_MARK = Statement(ClockMark.select(ClockMark.newest_time, ClockMark.ignored_until))
RAISE_MARK = Statement(ClockMark.update(newest_time=param("time")).where(ClockMark.newest_time < param("time")))
SET_MARK = Statement(
    ClockMark.update(
        newest_time=param("now"),
        ignored_until=peewee.Case(
            None,
            [(ClockMark.ignored_until < ClockMark.newest_time + STEP, ClockMark.newest_time + STEP)],
            ClockMark.ignored_until,
        ),
    ).where(ClockMark.newest_time > param("now"))
)

log = logger(__name__)


class WatchedClock:
    """A clock, and the newest time that has certainly passed. Times are microseconds since 1970."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Watch the clock of the machine. The mark is unknown before `refresh`."""
        self._store, self._clock = store, clock
        self._mark = Mark(RELEASE_TIME, 0)
        self._was_behind = False
        self._raising = threading.Lock()
        self.report: Callable[[bool], None] = lambda is_right: None
        """Called at each `refresh`, with whether the clock allows lending."""

    def now(self) -> int:
        """Return the time of the clock, which may be wrong."""
        return self._clock()

    def lending_time(self) -> int:
        """Return the time for a loan. Raises `ClockBehind` if the clock is certainly wrong."""
        now = self._clock()
        if self._mark.behind(now):
            raise ClockBehind(now=rfc3339(now), newest_time=rfc3339(self._mark.newest_time))
        return now

    def behind(self) -> int:
        """Return by how much the clock is behind `newest_time`; 0 within the tolerance."""
        return self._mark.behind(self._clock())

    @property
    def newest_time(self) -> int:
        """The newest time in the store, to the minute, or the release of this program if that is later."""
        return self._mark.newest_time

    def note_time(self, time: int) -> None:
        """Raise the mark to a time that the store contains, or will contain soon. Call it outside of transactions.

        An error of the store is logged and not raised: the call that wrote the time may have been committed.
        """
        mark = self._mark
        if time - mark.newest_time <= STEP:
            return
        if time <= mark.ignored_until and time > self._clock() + TOLERANCE:
            return
        if not self._raising.acquire(blocking=False):
            return  # another thread is raising it
        try:
            with self._store.writing():
                RAISE_MARK.rows(time=time)
            self._mark = Mark(time, mark.ignored_until)
        except (peewee.PeeweeException, MaxConnectionsExceeded) as error:
            log.warning("cannot keep the newest time", error=self._store.said(error))
        finally:
            self._raising.release()

    def note_remote_time(self, time: int) -> None:
        """Raise the mark to a time that another service sent, if this store has no user, and so no time of its own.

        A store with users ignores it: a service that sends a wrong time would stop the lending.
        """
        if time - self._mark.newest_time <= STEP:
            return
        with self._store.reading():
            has_own_times = User.select().exists()
        if not has_own_times:
            self.note_time(time)

    def refresh(self) -> None:
        """Re-read the mark, report whether the clock is right, and log when that changes."""
        self._mark = read_mark(self._store)
        now = self._clock()
        behind = self._mark.behind(now)
        if bool(behind) != self._was_behind:
            self._was_behind = bool(behind)
            if behind:
                log.warning(
                    "the clock is behind the newest time in the store; nothing is lent until it is set right",
                    now=rfc3339(now),
                    newest_time=rfc3339(self.newest_time),
                    if_that_time_is_wrong="library-frontend accept-clock",
                )
            else:
                log.info("the clock is right again; lending goes on", now=rfc3339(now))
        self.report(not behind)


class ClockTooEarly(Exception):
    """The clock is wrong: it shows a time before the release of this program."""

    def __init__(self, now: str) -> None:
        super().__init__(
            f"the clock of this machine shows {now}, which is before the release of this program: set the clock"
        )


@dataclass(frozen=True)
class Mark:
    """The mark as it was read."""

    newest_time: int
    ignored_until: int
    """Times up to this one are wrong if they are ahead of the clock: see `accept`."""

    def behind(self, now: int) -> int:
        """Return by how much `now` is behind the mark; 0 within the tolerance."""
        behind = self.newest_time - now
        return behind if behind > TOLERANCE else 0


def read_mark(store: Store) -> Mark:
    """Read the mark of a store. A mark before the release of this program is raised to it."""
    with store.reading():
        [(newest_time, ignored_until)] = READ_MARK.rows()
    return Mark(max(newest_time, RELEASE_TIME), ignored_until)


def accept(store: Store, now: int) -> None:
    """Set the mark to `now`, and ignore later times that are in the store, if the admin sends them again.

    Raises `ClockTooEarly` if `now` is before the release of this program.
    """
    if now < RELEASE_TIME:
        raise ClockTooEarly(rfc3339(now))
    with store.writing():
        SET_MARK.rows(now=now)


def newest_time(page: ListCatalogChangesResponse) -> int:
    """Return the newest time, to the second, in the books of a page; 0 for a page without books.

    A value that is not valid for a Timestamp, by its documentation, is ignored.
    """
    books = [change.book for change in page.changes]
    seconds = [time_of.seconds for book in books for time_of in (book.create_time, book.update_time)]
    return max((each for each in seconds if each < END_OF_TIME), default=0) * SECOND
