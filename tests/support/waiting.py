"""Waiting for what must come, and transactions of which the second comes to wait for the first."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from service_kit.store import Store

Result = TypeVar("Result")

WAIT_SECONDS = 100.0


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; fail after 100 seconds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def second_beside(
    store: Store,
    first: Callable[[], object],
    second: Callable[[], Result],
    meanwhile: Callable[[], object] = lambda: None,
) -> Result:
    """Do `first`, and commit it only when `second`, in another thread, waits for it; return what `second` returns.

    `meanwhile` is called while `second` waits. On SQLite that is before `second` could begin its transaction. On
    PostgreSQL it is where `second` wants the first row that `first` has locked; a `second` that wants none ends first.
    """

    with ThreadPoolExecutor(1) as thread:
        with store.writing():
            first()
            result = begin_beside(store, thread, second)
            meanwhile()
        return result.result(WAIT_SECONDS)


def begin_beside(store: Store, thread: ThreadPoolExecutor, second: Callable[[], Result]) -> Future[Result]:
    """Begin `second` in another thread, within a transaction of this one; return when it waits for it, or has ended."""

    def call() -> Result:
        store.database.connect(reuse_if_open=True)
        try:
            return second()
        finally:
            store.database.close()

    result = thread.submit(call)
    deadline = time.monotonic() + WAIT_SECONDS
    while store.is_postgresql and not result.done():
        ((waiting,),) = store.database.execute_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall()
        if waiting:
            break
        assert time.monotonic() < deadline, "it neither waits for a lock nor ends"
        time.sleep(0.01)
    return result
