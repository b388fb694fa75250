"""Import the records of one operation, from the place where it stopped to its end.

A batch of records, their problems, the counts and the place after them are committed in one transaction, which begins
with the lock on the row of the operation. So a record is imported once, also if the process ends at any moment.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from admin_server.intake.batches import Planned, import_batch
from admin_server.intake.rows import checked_options
from admin_server.operations import leases, plans
from admin_server.operations.chunks import read_from
from admin_server.operations.ends import end_operation
from admin_server.operations.leases import Interrupted, LeaseLost
from admin_server.operations.limits import OperationLimits
from admin_server.operations.problems import save_problems
from admin_server.operations.records import FAILS, LONGEST_DESCRIPTION, Batch, Batches, Policy, refused
from admin_server.store.models import ImportOperation
from library.admin.v1 import catalog_service_pb2 as results
from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOptions, ImportOutcome
from library.admin.v1.import_service_pb2 import (
    IMPORT_STATE_CANCELLED,
    IMPORT_STATE_FAILED,
    IMPORT_STATE_SUCCEEDED,
    MARC_MAPPING_MARC21,
    ImportConfig,
    ImportFormat,
    ImportState,
)
from library_domain.errors import ImportRunUndone
from library_domain.import_errors import FileUnreadable, OperationCancelled
from library_formats.formats import read_records
from library_formats.records import FileUnreadableError, Place, ReadingOptions, ReadRecord
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid, ServiceError, StoreUnavailable
from service_kit.logs import logger
from service_kit.store import Store, is_unavailable

ENDS_THE_SERVER = "was left out, because the server ended each time it imported the record"

COUNTED = {
    results.IMPORT_RESULT_ADDED: ImportOperation.added,
    results.IMPORT_RESULT_UPDATED: ImportOperation.updated,
    results.IMPORT_RESULT_COPIES_ADDED: ImportOperation.copies_added,
    results.IMPORT_RESULT_ALREADY_THERE: ImportOperation.already_there,
    results.IMPORT_RESULT_REFUSED: ImportOperation.refused,
}

log = logger(__name__)


class Stopping(Interrupted):
    """The process stops; another one goes on."""


class _Cancelled(Interrupted):
    """A client has cancelled the operation."""


class Import:
    """The work on one operation by the worker that has its lease."""

    def __init__(
        self,
        store: Store,
        row: ImportOperation,
        clock: Clock,
        limits: OperationLimits,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store, self._row, self._clock, self._limits = store, row, clock, limits
        self._is_stopping = is_stopping
        self._config = ImportConfig.FromString(bytes(row.config))
        self._options = import_options(row.id, self._config)
        self._renewed = time.monotonic()

    def run(self) -> None:
        """Import until the end, or until something ends the operation.

        Raises:
            Interrupted: Another worker has taken it over, or the process stops.
            Exception: The store is away, busy or full; the same can be tried again.
        """
        try:
            self._import()
        except _Cancelled:
            self._end(IMPORT_STATE_CANCELLED, OperationCancelled(record=self._row.records))
        except FileUnreadableError as error:
            self.fail(str(error))
        except (ImportRunUndone, FieldInvalid) as error:  # by others, who have used its run
            self._end(IMPORT_STATE_FAILED, error)

    def fail(self, problem: str) -> None:
        """End the operation, as its file cannot be read any further."""
        error = FileUnreadable(record=self._row.records, problem=problem[:LONGEST_DESCRIPTION].removesuffix("."))
        self._end(IMPORT_STATE_FAILED, error)

    def _import(self) -> None:
        if self._row.cancel_time:
            raise _Cancelled
        if self._row.starts > self._limits.starts:
            self._go_one_by_one()
        batches = self._batches()
        while True:
            batch = self._next(batches)
            if not batch.rows:
                break
            if not self._try_to_commit(batch):
                batches = self._batches()
        if batches.ending is None:
            self._end(IMPORT_STATE_SUCCEEDED)
        else:
            self.fail(str(batches.ending))

    def _next(self, batches: Batches) -> Batch:
        """Return the next records; after starts without progress one by one, to find the one that ends the process.

        Each attempt at such a record is noted in the store before it is read. So a record is left out only if the
        process has ended several times in the middle of this record.
        """
        most = self._limits.starts
        if self._row.records >= self._row.one_by_one_until:
            return batches.take(self._limits.batch_rows, self._limits.batch_bytes)
        self._note_attempt()
        if self._row.attempts > 2 * most:
            raise FileUnreadableError("the server ended each time it read the next record")
        batch = batches.take(1, self._limits.batch_bytes)
        if batch.rows and self._row.attempts > most:
            log.error(
                "a record is left out", operation=self._row.id, record=batch.rows[0].line, problem=ENDS_THE_SERVER
            )
            batch.rows = [refused(batch.rows[0], ENDS_THE_SERVER)]
        return batch

    def _note_attempt(self) -> None:
        with self._store.writing():
            row = leases.locked(self._store, self._row.key, self._row.worker)
            row.attempts, row.beat = row.attempts + 1, row.beat + 1
            leases.save(row, "attempts", "beat")
        self._row = row

    def _go_one_by_one(self) -> None:
        with self._store.writing():
            row = leases.locked(self._store, self._row.key, self._row.worker)
            row.one_by_one_until = max(row.one_by_one_until, row.records + self._limits.batch_rows)
            row.starts, row.beat = 0, row.beat + 1
            leases.save(row, "one_by_one_until", "starts", "beat")
        self._row = row

    def _batches(self) -> Batches:
        place = Place(self._row.position, self._row.records)
        return Batches(
            self._records(place),
            place,
            self._options,
            Policy.of(self._store),
            validate_only=self._config.validate_only,
            copies_without_items=copies_without_items(self._config),
            before_each=self._look_around,
        )

    def _records(self, place: Place) -> Iterator[ReadRecord]:
        row = self._row
        options = ReadingOptions(
            ImportFormat.ValueType(row.format), self._config.mapping or MARC_MAPPING_MARC21, self._config.items
        )

        def open_at(position: int) -> Iterator[bytes]:
            return read_from(
                self._store, row.key, row.total_bytes, self._limits.chunk_bytes, position, self._look_around
            )

        return read_records(open_at, options, place)

    def _look_around(self) -> None:
        """Renew the lease if that is due, and notice a stop or a cancel."""
        if self._is_stopping():
            raise Stopping
        now = time.monotonic()
        if now - self._renewed > self._limits.lease_seconds / 4:
            self._renewed = now
            if leases.renew(self._store, self._row.key, self._row.worker).cancel_time:
                raise _Cancelled

    def _try_to_commit(self, batch: Batch) -> bool:
        """Commit a batch; return False after an unexpected error: its records are to be read again, one by one."""
        try:
            self._commit(batch)
        except (Interrupted, ImportRunUndone, FieldInvalid, StoreUnavailable):
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            if len(batch.rows) > 1:
                log.exception("a batch failed; its records are imported one by one", operation=self._row.id)
                self._go_one_by_one()
                return False
            log.exception("a record failed and is left out", operation=self._row.id, record=batch.rows[0].line)
            batch.rows = [refused(batch.rows[0], FAILS)]
            self._commit(batch)
        return True

    def _commit(self, batch: Batch) -> None:
        progress = _Progress(self._store, self._row, batch, self._limits, self._clock, self._config)
        import_batch(self._store, batch.rows, self._options, progress.planned, self._clock, progress)
        self._row = progress.row
        self._renewed = time.monotonic()

    def _end(self, state: ImportState.ValueType, error: ServiceError | None = None) -> None:
        with self._store.writing():
            row = leases.locked(self._store, self._row.key, self._row.worker)
            end_operation(row, state, self._clock(), error)
        log.info("an import has ended", operation=row.id, state=ImportState.Name(state), records=row.records)


class _Progress:
    """What is committed with a batch: the problems, the counts, the place after it, and the lease."""

    def __init__(
        self,
        store: Store,
        row: ImportOperation,
        batch: Batch,
        limits: OperationLimits,
        clock: Clock,
        config: ImportConfig,
    ) -> None:
        self.row = row
        self.planned = Planned(set(), set(), set())
        self._store, self._batch, self._limits, self._clock = store, batch, limits, clock
        self._validate_only = config.validate_only

    def begin(self) -> None:
        """Lock the operation."""
        row = leases.locked(self._store, self.row.key, self.row.worker)
        if (row.position, row.records) != (self.row.position, self.row.records):
            raise LeaseLost  # it was committed, but the answer of the store was lost
        if row.cancel_time:
            raise _Cancelled
        if self._validate_only:
            plans.load(row.key, self._batch.rows, self.planned)
        self._locked = row

    def finish(self, outcomes: Sequence[ImportOutcome], item_count: int) -> None:
        """Write the progress."""
        row, batch = self._locked, self._batch
        if self._validate_only:
            plans.save(row.key, self.planned)
        found = save_problems(row, batch.records, outcomes, self._limits.problems)
        for result, count in Counter(outcome.result for outcome in outcomes).items():
            name = COUNTED[result].name
            setattr(row, name, getattr(row, name) + count)
        row.items += item_count
        row.problems += found
        row.position, row.records = batch.after.position, batch.after.records
        row.beat, row.starts, row.attempts, row.update_time = row.beat + 1, 0, 0, self._clock()
        row.problem = ""
        names = [column.name for column in COUNTED.values()]
        leases.save(
            row, *names, "items", "problems", "position", "records", "beat", "starts", "attempts", "update_time"
        )
        self.row = row


def copies_without_items(config: ImportConfig) -> int:
    """Return the copies of a new book whose record says nothing of copies."""
    return config.copies_without_items if config.HasField("copies_without_items") else 1


def import_options(operation_id: str, config: ImportConfig) -> ImportOptions:
    """Return the options of an operation's run, whose id is that of the operation."""
    options = ImportOptions(
        run_id=operation_id,
        on_duplicate=config.on_duplicate,
        match_title=config.match_title,
        source=config.source,
    )
    return checked_options(ImportBooksRequest(options=options))
