"""Memory, file descriptors, threads and the sizes of the stores, sampled every second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from tests.soak.library import Library

INTERVAL_SECONDS = 1.0
MEGABYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """What one process used at a moment, or how large one store was."""

    at: float
    """By time.monotonic()."""
    life: str
    """The process's name and number, so that a new process has a line of its own; or the store's name."""
    values: dict[str, float]
    """By quantity: memory in MB, files, threads; log and store in MB."""


class Sampler(threading.Thread):
    """Samples until `stop`."""

    def __init__(self, library: Library) -> None:
        super().__init__(name="sampler", daemon=True)
        self.samples: list[Sample] = []
        self._library = library
        self._has_ended = threading.Event()

    def run(self) -> None:
        while not self._has_ended.wait(INTERVAL_SECONDS):
            self._sample_processes()
            self._sample_stores()

    def stop(self) -> None:
        """End, and wait for the end."""
        self._has_ended.set()
        self.join()

    def _sample_processes(self) -> None:
        for name, process in self._library.processes.items():
            try:
                seen = psutil.Process(process.pid)
                with seen.oneshot():
                    values = {
                        "memory": seen.memory_info().rss / MEGABYTE,
                        "files": float(seen.num_fds()),
                        "threads": float(seen.num_threads()),
                    }
            except psutil.Error:  # it was killed
                continue
            self.samples.append(Sample(time.monotonic(), f"{name} {process.pid}", values))

    def _sample_stores(self) -> None:
        for name, url in (
            ("admin", self._library.admin.database_url),
            ("frontend", self._library.frontend.database_url),
        ):
            values = _postgresql_sizes(url) if self._library.cluster else _sqlite_sizes(url)
            if values:
                self.samples.append(Sample(time.monotonic(), f"{name}'s store", values))


def _sqlite_sizes(url: str) -> dict[str, float]:
    file = Path(url.removeprefix("sqlite:///"))
    sizes = {}
    for part in file.parent.glob(f"{file.name}*"):
        try:
            sizes[part.name] = part.stat().st_size / MEGABYTE
        except FileNotFoundError:  # removed meanwhile
            continue
    return {"store": sizes.pop(file.name, 0.0), "log": sum(sizes.values())}


def _postgresql_sizes(url: str) -> dict[str, float]:
    """The log is that of the whole PostgreSQL server."""
    sizes = "SELECT pg_database_size(current_database()), (SELECT sum(size) FROM pg_ls_waldir())"
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
            row = connection.execute(sizes).fetchone()
    except psycopg.Error:  # it is being restarted
        return {}
    assert row is not None
    return {"store": float(row[0]) / MEGABYTE, "log": float(row[1]) / MEGABYTE}
