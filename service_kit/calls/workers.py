"""Threads for short calls. A ThreadPoolExecutor makes a future for each call, which takes longer than many calls."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from service_kit.logs import logger

log = logger(__name__)


class Pool(Protocol):
    """A pool that runs calls: `Workers` or a ThreadPoolExecutor."""

    def submit(self, work: Callable[[Any], None], argument: Any, /) -> object:
        """Run `work` with its argument in a thread, soon."""


class Workers:
    """At most a fixed number of threads, each started when a call needs it."""

    def __init__(self, threads: int, name: str) -> None:
        self._most = threads
        self._name = name
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Callable[[Any], None], Any] | None] = queue.SimpleQueue()

    def submit(self, work: Callable[[Any], None], argument: Any, /) -> None:
        """Run `work` with its argument in one of the threads, after what was submitted before."""
        self._queue.put((work, argument))
        if len(self._threads) < self._most:
            self._add_thread()

    def shutdown(self) -> None:
        """Wait for all submitted work. Nothing may be submitted afterwards."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _add_thread(self) -> None:
        with self._lock:
            if len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name=f"{self._name}_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            work, argument = task
            try:
                work(argument)
            except Exception:
                log.exception("internal error in a worker")
            del task, work, argument  # they would keep the last call in memory until the next one
