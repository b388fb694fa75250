"""When a server outside may be asked: not too often, and not for a while after it failed. All processes share this."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from admin_server.sources.failures import FetchFailed
from admin_server.store.models import ExternalSource
from service_kit.clock import DAY, SECOND, Clock, rfc3339
from service_kit.store import Store

FIRST_PAUSE = 10 * SECOND
"""After the first failure. Each further one in a row doubles it."""

LONGEST_PAUSE = 3_600 * SECOND

MOST_WAITING = 30 * SECOND
"""How far ahead requests are placed. More than that cannot be: the clock went back."""


class LeftAlone(FetchFailed):
    """The server is not asked at present, as it failed before."""


@dataclass(frozen=True)
class Paced:
    """A server that is asked at a pace."""

    name: str
    """Of the source, or the host."""
    display_name: str
    interval: int
    """Microseconds from one request to the next."""
    settings: str = ""
    """A digest of its address and its key: see `settings_digest`."""


def settings_digest(*parts: str) -> str:
    """Return a digest of an address and a key. A pause that was made with others is over."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Pace:
    """The table `external_source`. Each method is a transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Take the admin's store."""
        self._store, self._clock = store, clock

    def take_turn(self, paced: Paced, latest: int) -> int:
        """Reserve the next time at which the server may be asked; return it, in microseconds since 1970.

        Raises:
            LeftAlone: It is not asked at present.
            FetchFailed: Its next time is after `latest`.
        """
        with self._store.writing():
            row, now = self._locked_row(paced), self._clock()
            if now < row.pause_end_time <= now + DAY:
                raise left_alone(paced, row)
            turn = row.next_request_time if now < row.next_request_time <= now + MOST_WAITING else now
            if turn > latest:
                raise FetchFailed(f"too many requests wait for {paced.display_name}", retry_time=turn, is_lasting=True)
            row.next_request_time = turn + paced.interval
            row.save()
        return turn

    def succeeded(self, paced: Paced) -> None:
        """End the pause, and forget the failures."""
        with self._store.reading():
            row = ExternalSource.get_or_none(ExternalSource.name == paced.name)
        if row is None or not (row.failures or row.pause_end_time):
            return
        with self._store.writing():
            row = self._locked_row(paced)
            row.failures, row.pause_end_time, row.problem = 0, 0, ""
            row.save()

    def failed(self, paced: Paced, failure: FetchFailed) -> int:
        """Leave the server alone for a while; return until when, in microseconds since 1970."""
        with self._store.writing():
            row, now = self._locked_row(paced), self._clock()
            pause = min(FIRST_PAUSE << min(row.failures, 20), LONGEST_PAUSE)
            row.failures += 1
            row.pause_end_time = max(now + pause, failure.retry_time or 0)
            row.problem = failure.problem
            row.save()
        return int(row.pause_end_time)

    def postpone(self, paced: Paced, until: int) -> None:
        """Let nobody ask the server before `until`, as it has asked for that."""
        with self._store.writing():
            row = self._locked_row(paced)
            row.next_request_time = max(row.next_request_time, until)
            row.save()

    def problem(self, paced: Paced) -> tuple[str, int]:
        """Return why the server is not asked at present and until when; "" and 0 if it is asked."""
        with self._store.reading():
            row = ExternalSource.get_or_none(ExternalSource.name == paced.name)
        now = self._clock()
        if row is None or row.settings != paced.settings or not now < row.pause_end_time <= now + DAY:
            return "", 0
        return left_alone(paced, row).problem, int(row.pause_end_time)

    def _locked_row(self, paced: Paced) -> ExternalSource:
        """Return the row, locked, without what was noted with other settings."""
        find = ExternalSource.select().where(ExternalSource.name == paced.name)
        row: ExternalSource | None = self._store.locking(find).get_or_none()
        if row is None:
            first = {"next_request_time": 0, "failures": 0, "pause_end_time": 0, "problem": ""}
            new = ExternalSource.insert(name=paced.name, settings=paced.settings, **first)
            new.on_conflict_ignore().execute()
            row = self._store.locking(find.clone()).get()  # a query of peewee keeps its first result
        if row.settings != paced.settings:
            row.settings, row.failures, row.pause_end_time, row.problem = paced.settings, 0, 0, ""
        return row


def left_alone(paced: Paced, row: ExternalSource) -> LeftAlone:
    """Return the error for a server that is not asked at present."""
    until = int(row.pause_end_time)
    times = "once" if row.failures == 1 else f"{row.failures} times in a row"
    problem = f"it failed {times} and is not asked before {rfc3339(until)}; the last problem: {row.problem}"
    return LeftAlone(problem, retry_time=until, is_lasting=True)
