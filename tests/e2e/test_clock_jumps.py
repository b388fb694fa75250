"""The machine's wall clock is set while both services run: they keep in step, need no more memory, and stop in time."""

from __future__ import annotations

import functools
import itertools
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from tests.support.fake_time import FakeTime
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, knows, recorded_users, status

INTERVAL = 0.5
"""Seconds between two syncs."""

MEMORY_BYTES = 30_000_000
"""How much the memory of a service may grow: each jump alone took more before, and a jump by years gigabytes."""

HOUR, DAY, YEARS_60 = timedelta(hours=1), timedelta(days=1), timedelta(days=60 * 365)

IN_1970 = timedelta(seconds=20 - round(time.time()))
"""From now to 20 s after the beginning of 1970."""

JUMPS = [HOUR, DAY, 14 * DAY, 60 * DAY, 365 * DAY, -HOUR, -14 * DAY, YEARS_60, -2 * YEARS_60, YEARS_60]
"""One after another; the last but one leads to before 1970, and the one before it to after 2038."""


class BothServices:
    """Both services, each a process whose wall clock the test sets."""

    def __init__(self, servers: Servers, databases: FreshDatabases, engine: Engine, clock: FakeTime) -> None:
        self.clock = clock
        self.admin = self._start(servers.prepare("admin", databases.migrated("admin", engine)))
        settings = {"ADMIN_TARGET": self.admin.address, "SYNC_INTERVAL": str(INTERVAL)}
        self.frontend = self._start(servers.prepare("frontend", databases.migrated("frontend", engine), **settings))
        self.patron, self.librarian = self.frontend.frontend(), self.admin.admin()
        eventually(lambda: not status(self.patron).resyncing, "the first pull is done")
        self._numbers = itertools.count(1)
        self.sync()  # which imports what is imported late
        self.memory = self._memory()

    def _start(self, server: ServerProcess) -> ServerProcess:
        server.environment = self.clock.variables
        server.launch()
        server.wait_until_listening()
        # Not until it reports SERVING: a frontend in 1970 does not.
        eventually(lambda: any(event["event"] == "serving" for event in server.log_events()), "it is open", seconds=100)
        return server

    def sync(self) -> tuple[float, float]:
        """Add a book and enrol a user; return the seconds until each is known to the other service."""
        number = next(self._numbers)
        book = self.librarian.catalog.AddBook(AddBookRequest(title=f"Book {number}"), timeout=100)
        pulled = eventually(knows(self.patron, book), "the book is at the frontend", seconds=100)
        enroll = EnrollUserRequest(email=f"patron{number}@example.org", first_name="Ada", last_name="Lovelace")
        user = self.patron.members.EnrollUser(enroll, timeout=100)
        pushed = eventually(lambda: user.id in recorded_users(self.librarian), "the user is recorded", seconds=100)
        return pulled, pushed

    def memory_growth(self) -> int:
        """The bytes by which the memory of the two grew since they were started, the larger of both."""
        return max(now - before for now, before in zip(self._memory(), self.memory, strict=True))

    def stop(self) -> float:
        """Stop the frontend with SIGTERM; return the seconds that it took."""
        began = time.monotonic()
        assert self.frontend.stop() == 0
        return time.monotonic() - began

    def peak_memory(self) -> int:
        """The most bytes of memory that the frontend ever had, as the kernel counts them."""
        status = Path(f"/proc/{self.frontend.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def _memory(self) -> list[int]:
        return [psutil.Process(server.pid).memory_info().rss for server in (self.admin, self.frontend)]


@pytest.mark.slow
def test_the_services_keep_in_step_while_the_clock_jumps(
    servers: Servers, databases: FreshDatabases, tmp_path: Path
) -> None:
    clock = FakeTime(tmp_path)
    services = BothServices(servers, databases, "sqlite", clock)
    now = time.time()
    moves = [(f"by {jump}", functools.partial(clock.jump, jump)) for jump in JUMPS]
    moves += [(f"to {moment:.0f}", functools.partial(clock.set_to, moment)) for moment in (20, now, 20, now)]
    for name, move in moves:
        move()
        pulled, pushed = services.sync()
        growth = services.memory_growth()
        print(f"{name}: pulled after {pulled:.2f} s, pushed after {pushed:.2f} s, memory {growth / 1e6:+.1f} MB")
        assert growth < MEMORY_BYTES, name
    clock.jump(365 * DAY)
    print(f"stopped at once after the last jump, in {services.stop():.2f} s")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start", "jump"),
    [
        ("+1 h", timedelta(), HOUR),
        *((f"+{days} d", timedelta(), days * DAY) for days in (1, 14, 60, 365)),
        ("+60 years", timedelta(), YEARS_60),
        ("1970 to now", IN_1970, -IN_1970),
        ("-1 h", timedelta(), -HOUR),
        ("-14 d", timedelta(), -14 * DAY),
        ("now to 1970", timedelta(), IN_1970),
    ],
)
def test_figures_of_each_jump(
    servers: Servers, databases: FreshDatabases, tmp_path: Path, name: str, start: timedelta, jump: timedelta
) -> None:
    """Each jump under fresh processes; `pytest -m slow -s` prints the figures."""
    clock = FakeTime(tmp_path)
    clock.set_offset(start)
    services = BothServices(servers, databases, "sqlite", clock)
    clock.jump(jump)
    pulled, pushed = services.sync()
    peak, growth = services.peak_memory(), services.memory_growth()
    stopped = services.stop()
    print(
        f"\n{name}: pulled after {pulled:.2f} s, pushed after {pushed:.2f} s, peak memory {peak / 1e6:.0f} MB "
        f"({growth / 1e6:+.1f} MB), stopped in {stopped:.2f} s"
    )
    assert growth < MEMORY_BYTES
