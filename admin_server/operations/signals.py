"""Wakes the worker of this process when there is work, and the calls that wait when an operation has changed."""

from __future__ import annotations

import threading


class Signals:
    """What the threads of one process signal to one another. Other processes look into the store from time to time."""

    def __init__(self) -> None:
        self._work = threading.Event()
        self._changed = threading.Condition()
        self._is_stopping = threading.Event()

    def work_is_there(self) -> None:
        """Wake the worker."""
        self._work.set()

    def wait_for_work(self, seconds: float) -> None:
        """Wait until there is work, the process stops, or the time is over."""
        self._work.wait(seconds)
        self._work.clear()

    def operation_has_changed(self) -> None:
        """Wake the calls that wait."""
        with self._changed:
            self._changed.notify_all()

    def wait_for_change(self, seconds: float) -> None:
        """Wait until an operation has changed in this process, the process stops, or the time is over."""
        with self._changed:
            if not self._is_stopping.is_set():
                self._changed.wait(seconds)

    def stop(self) -> None:
        """Wake all."""
        self._is_stopping.set()
        self._work.set()
        self.operation_has_changed()

    def is_stopping(self) -> bool:
        """Return whether the process stops."""
        return self._is_stopping.is_set()
