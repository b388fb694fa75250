"""The machine's wall clock is set while both services run: they keep in step, need no more memory, and stop in time."""

from __future__ import annotations

import functools
import itertools
import time
from datetime import timedelta
from pathlib import Path

import psutil

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
        server.start()
        return server

    def sync(self) -> tuple[float, float]:
        """Add a book and enrol a user; return the seconds until each is known to the other service."""
        number = next(self._numbers)
        book = self.librarian.catalog.AddBook(AddBookRequest(title=f"Book {number}"), timeout=20)
        pulled = eventually(knows(self.patron, book), "the book is at the frontend", seconds=30)
        enroll = EnrollUserRequest(email=f"patron{number}@example.org", first_name="Ada", last_name="Lovelace")
        user = self.patron.members.EnrollUser(enroll, timeout=20)
        pushed = eventually(lambda: user.id in recorded_users(self.librarian), "the user is recorded", seconds=30)
        return pulled, pushed

    def memory_growth(self) -> int:
        """The bytes by which the memory of the two grew since they were started, the larger of both."""
        return max(now - before for now, before in zip(self._memory(), self.memory, strict=True))

    def stop(self) -> float:
        """Stop the frontend with SIGTERM; return the seconds that it took."""
        began = time.monotonic()
        assert self.frontend.stop() == 0
        return time.monotonic() - began

    def _memory(self) -> list[int]:
        return [psutil.Process(server.pid).memory_info().rss for server in (self.admin, self.frontend)]


def test_the_services_keep_in_step_whatever_the_clock_does(
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
