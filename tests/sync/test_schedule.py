"""The sync runs when it should: with any wall clock, soon after a change, and not too often after failures."""

from __future__ import annotations

import functools
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import apscheduler.executors.base
import apscheduler.job
import apscheduler.schedulers.base
import pytest
from hypothesis import given
from hypothesis import strategies as st

import service_kit.schedule
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.loan_pb2 import Loan
from service_kit.schedule import BACKOFF_CAP_SECONDS, Every, Schedule, Task
from tests.support.clients import AdminClient
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases
from tests.sync.agreement import eventually, loans, recorded_loans, recorded_users, replica, status

INTERVAL = 0.1

READS_THE_WALL_CLOCK = (
    apscheduler.executors.base,
    apscheduler.job,
    apscheduler.schedulers.base,
    service_kit.schedule,
)


class WallClock:
    """The time of day as the scheduler sees it: that of the machine, until somebody sets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shift = timedelta()
        clock = self

        class ShiftedDatetime(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> ShiftedDatetime:
                return super().now(tz) + clock.shift

        for module in READS_THE_WALL_CLOCK:
            if hasattr(module, "datetime"):
                monkeypatch.setattr(module, "datetime", ShiftedDatetime)


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


class Runs:
    """A task's work, which notes when it ran, and fails if `fails` is set."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.fails = False

    def __call__(self) -> None:
        self.times.append(time.monotonic())
        if self.fails:
            raise ConnectionError("nobody is there")

    def since(self, moment: float) -> int:
        return sum(begun > moment for begun in self.times)

    def ran_since(self, moment: float) -> Callable[[], bool]:
        return lambda: self.since(moment) > 0


@contextmanager
def running(*tasks: Task, interval: float) -> Iterator[Schedule]:
    schedule = Schedule(list(tasks), interval)
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.stop()


JUMPS = [timedelta(hours=1), timedelta(days=1), timedelta(days=60), timedelta(days=365), timedelta(days=60 * 365)]


@pytest.mark.parametrize("jump", [*JUMPS, *(-jump for jump in JUMPS)], ids=str)
def test_jobs_run_on_when_the_wall_clock_is_set(wall_clock: WallClock, jump: timedelta) -> None:
    work = Runs()
    with running(Task("pull", work, INTERVAL), interval=INTERVAL):
        eventually(lambda: len(work.times) > 3, "it runs on schedule")
        wall_clock.shift += jump
        then = time.monotonic()
        eventually(lambda: work.since(then) > 5, "it runs on")


TIMES = st.integers(-2_000_000_000, 6_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(previous=st.none() | TIMES, now=TIMES, seconds=st.floats(0.05, 3600))
def test_the_next_run_is_after_now_and_at_most_an_interval_away(
    previous: datetime | None, now: datetime, seconds: float
) -> None:
    """So APScheduler, which asks until it gets a time after now, asks once, however far the clock went."""
    interval = timedelta(seconds=seconds)
    assert now < Every(interval).get_next_fire_time(previous, now) <= now + interval


def test_the_next_run_does_not_drift_by_the_time_that_it_takes_to_start_one() -> None:
    previous = datetime(2026, 11, 22, tzinfo=UTC)
    for late in (timedelta(0), timedelta(milliseconds=1), timedelta(milliseconds=999)):
        assert Every(timedelta(seconds=1)).get_next_fire_time(previous, previous + late) == previous + timedelta(
            seconds=1
        )


def test_without_the_guard_jobs_stop_when_the_wall_clock_is_set_back(
    wall_clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the clock is set back an hour, the scheduler alone sleeps for an hour. This proves the test above."""
    monkeypatch.setattr(Schedule, "_keep_time", lambda schedule: None)
    work = Runs()
    with running(Task("pull", work, INTERVAL), interval=INTERVAL):
        eventually(lambda: len(work.times) > 3, "it runs on schedule")
        wall_clock.shift -= timedelta(hours=1)
        time.sleep(3 * INTERVAL)  # the sleep that it was in when the clock was set ends
        then = time.monotonic()
        time.sleep(10 * INTERVAL)
        assert work.since(then) == 0


def test_a_wake_does_not_wait_for_the_interval() -> None:
    work = Runs()
    task = Task("push", work, 3600)
    with running(task, interval=3600) as schedule:
        eventually(lambda: len(work.times) == 1, "it runs at the start")
        for _ in range(50):
            then = time.monotonic()
            schedule.request(task)
            eventually(work.ran_since(then), "it runs when woken")


def test_a_wake_while_it_runs_makes_it_run_again_once() -> None:
    began, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def work() -> None:
        began.release()
        assert go_on.acquire(timeout=100)

    task = Task("push", work, 3600)
    with running(task, interval=3600) as schedule:
        assert began.acquire(timeout=100)
        for _ in range(3):
            schedule.request(task)
        go_on.release()
        assert began.acquire(timeout=100), "it was woken while it ran, perhaps after it had looked"
        go_on.release()
        assert not began.acquire(timeout=0.5), "three wakes come to one run"


def test_a_wake_at_the_very_end_of_a_run_is_not_lost() -> None:
    """The run has just seen that no other run is requested, and is not marked as ended yet."""
    work = Runs()
    task = Task("push", work, 3600)
    with running(task, interval=3600) as schedule:
        eventually(lambda: len(work.times) == 1 and not task.is_running, "it runs at the start")
        task.is_running = True
        schedule.request(task)
        time.sleep(0.3)
        task.is_running = False
        eventually(lambda: len(work.times) == 2, "the wake is heard")


def test_it_never_runs_twice_at_a_time() -> None:
    at_work = threading.Lock()
    done: list[float] = []
    overlaps: list[float] = []

    def work() -> None:
        if not at_work.acquire(blocking=False):
            overlaps.append(time.monotonic())
            return
        time.sleep(0.005)
        done.append(time.monotonic())
        at_work.release()

    task = Task("push", work, 0.01)
    with running(task, interval=0.01) as schedule:
        while len(done) < 50:
            schedule.request(task)
            time.sleep(0.002)
    assert not overlaps


def test_failures_are_retried_with_a_limited_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    work = Runs()
    work.fails = True
    task = Task("push", work, 1.0)

    moments = []
    while now[0] < 1_120:
        before = len(work.times)
        task.run()
        if len(work.times) > before:
            moments.append(now[0])
        now[0] += 0.125

    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses[0] <= 2.125
    assert max(pauses) <= BACKOFF_CAP_SECONDS + 0.125
    assert min(pauses[3:]) >= BACKOFF_CAP_SECONDS / 2
    assert len({round(pause, 3) for pause in pauses}) > 3, "many frontends must not come back in step"
    last = len(work.times)
    task.reset_backoff()
    task.run()
    assert len(work.times) == last + 1, "after the reset, it runs at once"
    work.fails = False
    now[0] += BACKOFF_CAP_SECONDS
    task.run()
    task.run()
    assert len(work.times) == last + 3, "after a success, there is no backoff"


def test_a_wake_waits_for_the_end_of_the_pause_and_no_longer() -> None:
    work = Runs()
    work.fails = True
    task = Task("push", work, 0.2)
    with running(task, interval=3600) as schedule:
        eventually(lambda: len(work.times) == 1 and not task.is_running, "it runs at the start, and fails")
        schedule.request(task)
        work.fails = False
        eventually(lambda: len(work.times) == 2, "it runs after the pause")
        assert work.times[1] - work.times[0] >= 0.2


def test_a_loan_is_at_the_admin_long_before_the_next_interval(servers: Servers, databases: FreshDatabases) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    book = admin.admin().catalog.AddBook(AddBookRequest(title="A book", copies=30), timeout=100)
    frontend = servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="3600"
    )
    patron, librarian = frontend.frontend(), admin.admin()
    eventually(lambda: len(replica(patron)) == 1, "the first pull does not wait either")
    enroll = EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader")
    user = patron.members.EnrollUser(enroll, timeout=100)
    eventually(lambda: user.id in recorded_users(librarian), "the user is recorded")
    for _ in range(20):
        borrow = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7)
        loan = patron.lending.BorrowBook(borrow, timeout=100)
        eventually(functools.partial(_is_recorded, librarian, loan), "the loan is recorded")
    assert recorded_loans(librarian) == loans(patron)


def test_an_admin_that_hangs_fills_no_log(servers: Servers, databases: FreshDatabases) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
    )
    eventually(lambda: not status(frontend.frontend()).resyncing, "the first pull is done")
    admin.send(signal.SIGSTOP)
    time.sleep(1.5)
    admin.send(signal.SIGCONT)
    noise = [event for event in frontend.log_events() if event["level"] in ("warning", "error")]
    assert len(noise) <= 2, noise


def _is_recorded(librarian: AdminClient, loan: Loan) -> bool:
    return loan.id in recorded_loans(librarian)
