"""A new frontend reads the whole catalogue, against `executemany` of the same rows into the same tables."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from benchmarks.environment import Environment, opened, settle
from benchmarks.results import Result
from frontend_server.store.models import MIGRATIONS
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from service_kit.migrations import migrate
from tests.support.processes import ServerProcess

CHUNK = 1_000
TABLES = ("book", "item")
PATIENCE_SECONDS = 1_800.0


@dataclass(frozen=True)
class _Sync:
    seconds: float
    admin_micros: float
    frontend_micros: float
    admin_megabytes: float
    frontend_megabytes: float


def first_sync(environment: Environment) -> Iterator[Result]:
    """Run both server processes on SQLite, and measure from the time when the frontend serves."""
    count = environment.scale.many_books
    admin_url = environment.admin_store(count)
    syncs, inserts = [], []
    for _ in range(environment.scale.sync_pairs):
        frontend_url = environment.new_database("SQLite")
        syncs.append(_synced(environment, admin_url, frontend_url, count))
        inserts.append(_inserted(environment, frontend_url, count))
        environment.drop(frontend_url)
    admin_peak = max(each.admin_megabytes for each in syncs)
    frontend_peak = max(each.frontend_megabytes for each in syncs)
    best = min(syncs, key=lambda each: each.seconds)
    yield Result(
        f"first sync of {count:,}",
        "SQLite",
        f"sync: {best.seconds:,.1f} s, {count / best.seconds:,.0f} books/s",
        f"executemany: {min(inserts):,.1f} s, {count / min(inserts):,.0f} books/s",
        [insert / sync.seconds for sync, insert in zip(syncs, inserts, strict=True)],
        target=0.33,
        remarks=[
            f"processor time: admin {best.admin_micros:.0f} µs a book, frontend {best.frontend_micros:.0f} µs",
            f"peak memory: admin {admin_peak:.0f} MB, frontend {frontend_peak:.0f} MB",
        ],
    )


def _synced(environment: Environment, admin_url: str, frontend_url: str, count: int) -> _Sync:
    admin = environment.servers.start("admin", admin_url)
    before = _cpu_seconds(admin)
    frontend = environment.servers.start("frontend", frontend_url, ADMIN_TARGET=admin.address)
    end = time.monotonic() + PATIENCE_SECONDS
    while "catalogue read completely" not in _times(frontend):
        if time.monotonic() > end or not frontend.is_running:
            raise RuntimeError(f"the sync did not end:\n{frontend.log_tail()}")
        time.sleep(0.2)
    times = _times(frontend)
    stored = frontend.frontend().sync.GetSyncStatus(GetSyncStatusRequest()).book_count
    if stored != count:
        raise RuntimeError(f"{stored:,} books were stored instead of {count:,}")
    sync = _Sync(
        (times["catalogue read completely"] - times["serving"]).total_seconds(),
        (_cpu_seconds(admin) - before) / count * 1_000_000,
        _cpu_seconds(frontend) / count * 1_000_000,
        _peak_megabytes(admin),
        _peak_megabytes(frontend),
    )
    frontend.stop()
    admin.stop()
    return sync


def _inserted(environment: Environment, source_url: str, count: int) -> float:
    """Copy the books and items of one frontend into another in one transaction; return the seconds without reading."""
    target_url = environment.new_database("SQLite")
    seconds = 0.0
    with opened(source_url) as source, opened(target_url) as target:
        migrate(target, MIGRATIONS)
        cursor = target.database.connection().cursor()
        cursor.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            rows = source.database.connection().cursor().execute(f"SELECT * FROM {table} ORDER BY key")
            columns = ", ".join("?" * len(source.database.get_columns(table)))
            while chunk := rows.fetchmany(CHUNK):
                begin = time.perf_counter()
                cursor.executemany(f"INSERT INTO {table} VALUES ({columns})", chunk)
                seconds += time.perf_counter() - begin
        begin = time.perf_counter()
        cursor.execute("COMMIT")
        seconds += time.perf_counter() - begin
        (stored,) = cursor.execute("SELECT COUNT(*) FROM book").fetchone()
        assert stored == count
        settle(target)
    environment.drop(target_url)
    return seconds


def _times(server: ServerProcess) -> dict[str, datetime]:
    return {event["event"]: datetime.fromisoformat(event["timestamp"]) for event in server.log_events()}


def _cpu_seconds(server: ServerProcess) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return float(times.user + times.system)


def _peak_megabytes(server: ServerProcess) -> float:
    """Return the peak memory of a process, as Linux counts it."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found.group(1)) / 1_024
