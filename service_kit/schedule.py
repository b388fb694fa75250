"""Jobs that run on a schedule, and at once when they are requested.

APScheduler runs the jobs by the wall clock, which can change by years at any time: a machine without a battery for its
clock starts in 1970, and a laptop wakes up after weeks. Two parts keep the jobs on time:

- The trigger `Every` never returns a time in the past. APScheduler lists every missed run before it merges them into
  one, with its lock taken: 31 million runs after a year, in gigabytes of memory.
- A guard thread uses the monotonic clock. It makes a job due that has not run for two intervals, or whose next run is
  more than an interval away because the clock was set back.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from service_kit.logs import logger

BACKOFF_CAP_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.1
LONGEST_ERROR = 1_000
"""Characters of an error that are shown and logged."""

log = logger(__name__)


def shortened(text: str) -> str:
    """Cut a text of another service or a driver, to limit how much is stored, shown or logged."""
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]} ..."


class Task:
    """A job of the schedule. It runs once at a time, and after failures with pauses that grow."""

    def __init__(self, name: str, work: Callable[[], object], interval: float, failure: str = "job failed") -> None:
        """Take the seconds between two runs, and the event in the log for a run that fails."""
        self.name = name
        self._failure = failure
        self._work = work
        self._interval = interval
        self._failures = 0
        self._not_before = 0.0
        self.started = time.monotonic()
        self.is_running = False
        self.is_requested = False

    def run(self) -> None:
        """Do the work, and again if it was requested meanwhile."""
        self.started = time.monotonic()
        if self.started < self._not_before:
            return
        self.is_running = True
        try:
            self.is_requested = True
            while self.is_requested:
                self.is_requested = False
                self._work()
            self._failures = 0
        except Exception as error:  # noqa: BLE001 - the next run tries again after any error
            self._failures += 1
            self._back_off()
            if self._failures & (self._failures - 1) == 0:  # the 1st, 2nd, 4th, 8th …: an outage must not fill a disk
                log.warning(self._failure, job=self.name, failures=self._failures, error=shortened(str(error)))
        finally:
            self.is_running = False

    def is_due(self) -> bool:
        """Return whether it should run at once: it was requested, or the schedule has missed it."""
        now = time.monotonic()
        if self.is_running or now < self._not_before:
            return False
        return self.is_requested or now - self.started > 2 * self._interval

    def reset_backoff(self) -> None:
        """Forget the failures, since the next run may succeed."""
        self._failures, self._not_before = 0, 0.0

    def _back_off(self) -> None:
        cap = max(self._interval, BACKOFF_CAP_SECONDS)
        pause = min(cap, self._interval * 2 ** min(self._failures, 10))
        self._not_before = time.monotonic() + random.uniform(0.5, 1.0) * pause


class Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires every `interval`, which is positive. Unlike APScheduler's IntervalTrigger, its next time is after now."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next time, which is after `now` and at most an interval away."""
        following = now if previous_fire_time is None else previous_fire_time + self._interval
        return following if now < following <= now + self._interval else now + self._interval


class Schedule:
    """Runs tasks every `interval` seconds, and when requested."""

    def __init__(self, tasks: list[Task], interval: float) -> None:
        self._tasks = tasks
        self._interval = interval
        self._trigger = Every(timedelta(seconds=interval))
        self._requested = threading.Event()
        self._stopped = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            # One run at a time. A run that was missed is made up for, however late.
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        # APScheduler warns when it skips a run because the last one has not ended. During an outage that is normal.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._guard = threading.Thread(target=self._keep_time, name="schedule-guard", daemon=True)

    def start(self) -> None:
        """Run every task now, and then on schedule."""
        for task in self._tasks:
            self._scheduler.add_job(task.run, self._trigger, id=task.name, next_run_time=datetime.now(UTC))
        self._scheduler.start()
        self._guard.start()

    def request(self, task: Task) -> None:
        """Run a task soon. It is cheap, and many requests in a row lead to one run."""
        task.is_requested = True
        self._requested.set()

    def stop(self) -> None:
        """Stop when the tasks that run have ended."""
        self._stopped = True
        self._requested.set()
        self._guard.join()
        self._scheduler.shutdown(wait=True)

    def _keep_time(self) -> None:
        while True:
            # A requested task may be about to end, or may be backing off: look again soon.
            some_wait = any(task.is_requested for task in self._tasks)
            self._requested.wait(timeout=min(self._interval, LOOK_AGAIN_SECONDS) if some_wait else self._interval)
            self._requested.clear()
            if self._stopped:
                return
            for task in self._tasks:
                if task.is_due() or self._clock_was_set_back(task):
                    self._scheduler.modify_job(task.name, next_run_time=datetime.now(UTC))

    def _clock_was_set_back(self, task: Task) -> bool:
        """Return whether the time of the next run was chosen when the wall clock showed a later time than now."""
        next_run_time: datetime = self._scheduler.get_job(task.name).next_run_time
        return next_run_time > datetime.now(UTC) + timedelta(seconds=self._interval)
