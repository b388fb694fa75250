"""The library under test: admin, frontend and library-rest as processes on fixed addresses, and their PostgreSQL."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.postgresql_clusters import Cluster
from tests.support.processes import ServerProcess, Servers, ServingProcess
from tests.support.rest import RestProcess, RestServers

LOAN_LIMIT = 5

AFTERMATH_SECONDS = 20.0
"""How long after a restart a call may still fail with UNAVAILABLE: the others reconnect after two seconds, more on a
loaded machine."""

POSTGRESQL = "postgresql"


class Library:
    """Starts the servers, kills each and starts it again, and knows when that was."""

    def __init__(
        self, servers: Servers, rest_servers: RestServers, urls: tuple[str, str], cluster: Cluster | None
    ) -> None:
        """Start all on the admin's and the frontend's database; `cluster` is the PostgreSQL server of these, if any."""
        admin_url, frontend_url = urls
        self.cluster = cluster
        self.admin: ServerProcess = servers.start("admin", admin_url)
        self.frontend: ServerProcess = servers.start(
            "frontend",
            frontend_url,
            ADMIN_TARGET=self.admin.address,
            SYNC_INTERVAL="1",
            LOAN_LIMIT=str(LOAN_LIMIT),
        )
        self.rest: RestProcess = rest_servers.start([self.frontend.address, self.admin.address])
        self.processes: dict[str, ServingProcess] = {
            "admin": self.admin,
            "frontend": self.frontend,
            "rest": self.rest,
        }
        self.kills: list[tuple[float, str]] = []
        """The moment of each kill, by time.monotonic(), and what was killed."""
        self._all_up = threading.Event()
        self._all_up.set()
        self._disturbed: list[tuple[float, float]] = []

    def kill(self, name: str) -> None:
        """End a process with SIGKILL (PostgreSQL by an immediate shutdown), and start it again where it was."""
        began = time.monotonic()
        self._all_up.clear()
        self._disturbed.append((began, float("inf")))
        self.kills.append((began, name))
        end, start = self._handles(name)
        end()
        start()
        self._disturbed[-1] = (began, time.monotonic() + AFTERMATH_SECONDS)
        self._all_up.set()

    def wait_until_all_are_up(self, seconds: float) -> None:
        """Wait while a process is being restarted, for at most this long."""
        self._all_up.wait(seconds)

    def was_disturbed(self, begin: float, end: float) -> bool:
        """Whether a kill, or what it leads to, was between two moments of time.monotonic()."""
        return any(first < end and begin < last for first, last in self._disturbed)

    def logs(self) -> dict[str, Path]:
        """The log of each server, all its processes one after another."""
        return {name: process.log for name, process in self.processes.items()}

    def _handles(self, name: str) -> tuple[Callable[[], object], Callable[[], None]]:
        if name == POSTGRESQL:
            cluster = self.cluster
            assert cluster is not None
            return lambda: cluster.stop(signal.SIGQUIT), cluster.start
        process = self.processes[name]
        return process.kill, process.start
