"""The thread of the admin that imports the records of operations, one operation after the other."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from admin_server.operations import leases
from admin_server.operations.ends import delete_file, delete_left_behind
from admin_server.operations.importing import Import, Stopping
from admin_server.operations.leases import Interrupted
from admin_server.operations.limits import LIMITS, OperationLimits
from admin_server.operations.signals import Signals
from admin_server.store.models import ImportOperation
from service_kit.clock import Clock
from service_kit.errors import StoreUnavailable
from service_kit.ids import new_id
from service_kit.logs import logger
from service_kit.store import Store, is_unavailable

CLEANUP_SECONDS = 60.0
"""The time between two looks for files that are not needed any more."""

TRIES = 3
"""How often the work on an operation is begun in one process, if it fails by a fault of the program."""

SERVER_FAILS = "the server failed; its log has the reason"

log = logger(__name__)


class Worker:
    """Imports operations until it is stopped. Several processes on one database can have one each."""

    def __init__(self, store: Store, clock: Clock, signals: Signals, limits: OperationLimits = LIMITS) -> None:
        self.id = new_id()
        self._store, self._clock, self._signals, self._limits = store, clock, signals, limits
        self._watch = leases.Watch(limits.lease_seconds)
        self._thread = threading.Thread(target=self._run, name="imports", daemon=True)
        self._next_cleanup = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the present batch, and wait for that. Another process goes on, or the next one."""
        self._signals.stop()
        if self._thread.is_alive():
            self._thread.join()

    def work(self) -> bool:
        """Import the operation that is next, until its end; return whether there was one."""
        self._clean_up()
        row = leases.claim(self._store, self._watch, self.id)
        if row is None:
            return False
        log.info("an import begins or goes on", operation=row.id, records=row.records, starts=row.starts)
        self._signals.operation_has_changed()
        self._import(row)
        self._signals.operation_has_changed()
        return True

    def _run(self) -> None:
        while not self._signals.is_stopping():
            try:
                if self.work():
                    continue
            except Interrupted:
                continue
            except Exception as error:  # noqa: BLE001 - the thread goes on after any error
                self._log(error)
            self._signals.wait_for_work(self._limits.poll_seconds)
        self._store.database.close()

    def _import(self, row: ImportOperation) -> None:
        """Work on an operation until it has ended, or until it is another worker's."""
        failures = 0
        while True:
            work = Import(self._store, row, self._clock, self._limits, self._signals.is_stopping)
            try:
                work.fail(SERVER_FAILS) if failures >= TRIES else work.run()
                delete_file(self._store, row.key)
                return
            except leases.LeaseLost:
                log.warning("another process has taken an import over", operation=row.id)
                return
            except Interrupted:
                with suppress(leases.LeaseLost):
                    leases.release(self._store, row.key, self.id)
                return
            except Exception as error:  # noqa: BLE001 - logged, and tried again
                self._log(error)
                failures += not _is_away(error)
            row = self._row_again(row)

    def _row_again(self, row: ImportOperation) -> ImportOperation:
        """Return an operation as it is stored, as soon as the store answers. Raises `Interrupted`."""
        while True:
            self._signals.wait_for_work(self._limits.poll_seconds)
            if self._signals.is_stopping():
                raise Stopping
            try:
                return leases.go_on(self._store, row.key, self.id)
            except Exception as error:
                if not _is_away(error):
                    raise
                self._log(error)

    def _clean_up(self) -> None:
        if time.monotonic() >= self._next_cleanup:
            self._next_cleanup = time.monotonic() + CLEANUP_SECONDS
            delete_left_behind(self._store, self._clock, self._limits.abandoned_seconds)

    def _log(self, error: Exception) -> None:
        if _is_away(error):
            log.warning("an import waits for the store", error=self._store.said(error))
        else:
            log.error("an import was interrupted", exc_info=error)


def _is_away(error: Exception) -> bool:
    return isinstance(error, StoreUnavailable) or is_unavailable(error)
