"""Notices that a store cannot be written, reports and logs it, and probes until it can be written again.

A full disk, a file that became read-only and a failing disk stop all changes, while reading goes on. The operator has
to act, so it is logged, at most once a minute, and health is NOT_SERVING until a probe succeeds.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable

from service_kit.logs import logger
from service_kit.postgresql.sqlstates import sqlstate_of

_SQLITE_PROBLEMS = {
    7: "there is no memory left",
    8: "the file is read-only",
    10: "the disk reports an error, or a limit of the size of files is reached",
    13: "the disk is full",
    14: "a file cannot be opened",
}
"""By result code: sqlite.org/rescode.html."""

_SQLSTATE_PROBLEMS = {
    "25006": "the server is read-only",
    "53100": "the disk of the server is full",
    "58030": "the disk of the server reports an error",
}

_SQLITE_CODE = re.compile(r"\(code=(\d+),")

log = logger(__name__)


def write_problem(error: BaseException) -> str | None:
    """Return why a store cannot be written, by the error of a change; None for any other error."""
    sqlstate = sqlstate_of(error)
    if sqlstate is not None:
        return _SQLSTATE_PROBLEMS.get(sqlstate)
    codes = _SQLITE_CODE.findall(str(error))
    return _SQLITE_PROBLEMS.get(int(codes[-1])) if codes else None


def is_noted(error: BaseException) -> bool:
    """Return whether `Writability` has noted an error, and logged it if that was due."""
    return getattr(error, "is_noted", False)


class LineLimit:
    """Limits log lines to one of each kind in a number of seconds, and counts the others."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def suppressed(self, kind: str) -> int | None:
        """Return how many lines of the kind were left out since the last one; None if this one is to be left out."""
        with self._lock:
            now = self._clock()
            if now - self._last.get(kind, -math.inf) < self._seconds:
                self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
                return None
            self._last[kind] = now
            return self._suppressed.pop(kind, 0)


class Writability:
    """Keeps whether one store can be written."""

    def __init__(
        self,
        probe: Callable[[], object],
        shown: Callable[[Exception], str],
        probe_seconds: float,
        log_seconds: float,
    ) -> None:
        """Take a function that makes a small change, and a function that formats an error for the log."""
        self._probe = probe
        self._probe_seconds = probe_seconds
        self._shown = shown
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._prober: threading.Thread | None = None
        self._lines = LineLimit(log_seconds)
        self._was_logged = False
        self.report: Callable[[bool], object] = lambda is_writable: None
        """Called with False when the store can no longer be written, and with True when it can be written again."""

    def note(self, error: Exception) -> None:
        """Log and report an error that ended a change, if it means that the store cannot be written."""
        problem = write_problem(error)
        if problem is None:
            return
        error.is_noted = True  # type: ignore[attr-defined]
        self._log(problem, error)
        with self._lock:
            if self._prober is not None or self._is_closed.is_set():
                return
            self._prober = threading.Thread(target=self._probe_until_writable, name="store-probe", daemon=True)
            self.report(False)
            self._prober.start()

    def close(self) -> None:
        """Stop the probe, if it runs."""
        self._is_closed.set()
        prober = self._prober
        if prober is not None:
            prober.join()

    def _log(self, problem: str, error: Exception) -> None:
        suppressed = self._lines.suppressed(problem)
        if suppressed is not None:
            self._was_logged = True
            log.error(
                "the store cannot be written; changes are refused until it can be, and reading goes on",
                problem=problem,
                error=self._shown(error),
                more_since_the_last_line=suppressed,
            )

    def _probe_until_writable(self) -> None:
        while not self._is_closed.wait(self._probe_seconds):
            try:
                self._probe()
            except Exception as error:  # noqa: BLE001 - after any error the next probe may succeed
                if problem := write_problem(error):
                    self._log(problem, error)
                continue
            with self._lock:
                self._prober = None
                self.report(True)
            if self._was_logged:
                self._was_logged = False
                log.info("the store can be written again")
            return
