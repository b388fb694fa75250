"""The lease of an operation: one worker at a time works on it, in whichever process.

A worker writes its id into the row of the operation, and counts `beat` up with each transaction. Other workers take the
operation over when the count has not changed for `lease_seconds` by their own clock that never jumps: the clocks of two
machines can differ, and the time of one can be set. A worker that was paused for longer finds another id in the row,
which it locks at the beginning of each transaction, and stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from admin_server.store.models import NOT_ENDED, UPLOADING, ImportOperation
from library.admin.v1.import_service_pb2 import IMPORT_STATE_RUNNING, IMPORT_STATE_WAITING
from service_kit.statements import Statement, param
from service_kit.store import Store

OPEN = Statement(
    ImportOperation.select(ImportOperation.key, ImportOperation.worker, ImportOperation.beat)
    .where(NOT_ENDED, ImportOperation.state != UPLOADING)
    .order_by(ImportOperation.key)
)
RENEW = Statement(ImportOperation.update(beat=ImportOperation.beat + 1).where(ImportOperation.key == param("key")))

INTERRUPTED = "The server that imported the file has ended; another one goes on after record {record}."

Leased = tuple[int, str, int]
"""The key of an operation, the id of its worker, and its beat."""


class Interrupted(Exception):
    """The work on an operation stops here, and is not the file's fault."""


class LeaseLost(Interrupted):
    """Another worker has taken the operation over, or it was deleted."""


class Watch:
    """Remembers since when the lease of each open operation has not been renewed."""

    def __init__(self, lease_seconds: float, seconds: Callable[[], float] = time.monotonic) -> None:
        self._lease_seconds, self._seconds = lease_seconds, seconds
        self._seen: dict[int, tuple[str, int, float]] = {}

    def free(self, rows: Sequence[Leased]) -> Iterator[Leased]:
        """Yield the operations that nobody works on, or whose worker has not renewed its lease."""
        now = self._seconds()
        seen, self._seen = self._seen, {}
        for key, worker, beat in rows:
            known = seen.get(key)
            since = known[2] if known is not None and known[:2] == (worker, beat) else now
            self._seen[key] = (worker, beat, since)
        for key, worker, beat in rows:
            if not worker or now - self._seen[key][2] >= self._lease_seconds:
                yield key, worker, beat


def claim(store: Store, watch: Watch, worker: str) -> ImportOperation | None:
    """Take the lease of the oldest operation that is free, and return it; None if there is none."""
    with store.reading():
        rows = OPEN.rows()
    for key, former, beat in watch.free(rows):
        with store.writing():
            query = ImportOperation.select().where(
                ImportOperation.key == key,
                ImportOperation.worker == former,
                ImportOperation.beat == beat,
                NOT_ENDED,
            )
            # The row of an operation that another worker is busy with is locked.
            row: ImportOperation | None = (query.for_update(skip_locked=True) if store.is_postgresql else query).first()
            if row is None:
                continue
            row.worker, row.beat, row.starts, row.state = worker, beat + 1, row.starts + 1, IMPORT_STATE_RUNNING
            row.problem = INTERRUPTED.format(record=row.records) if former else ""
            save(row, "worker", "beat", "starts", "state", "problem")
            return row
    return None


def locked(store: Store, key: int, worker: str) -> ImportOperation:
    """Lock the row of an operation until the transaction ends. Raises `LeaseLost`."""
    row: ImportOperation | None = store.locking(
        ImportOperation.select().where(ImportOperation.key == key, ImportOperation.worker == worker, NOT_ENDED)
    ).first()
    if row is None:
        raise LeaseLost
    return row


def renew(store: Store, key: int, worker: str) -> ImportOperation:
    """Renew a lease in a transaction of its own; return the operation. Raises `LeaseLost`."""
    with store.writing():
        row = locked(store, key, worker)
        RENEW.rows(key=key)
        return row


def go_on(store: Store, key: int, worker: str) -> ImportOperation:
    """Renew a lease after an error that this process has survived: no record has ended the process."""
    with store.writing():
        row = locked(store, key, worker)
        row.beat, row.starts, row.attempts = row.beat + 1, 1, 0
        save(row, "beat", "starts", "attempts")
        return row


def release(store: Store, key: int, worker: str) -> None:
    """Let another process work on an operation at once, as this one stops. The start does not count."""
    with store.writing():
        row = locked(store, key, worker)
        row.worker, row.starts, row.state = "", max(0, row.starts - 1), IMPORT_STATE_WAITING
        save(row, "worker", "starts", "state")


def save(row: ImportOperation, *columns: str) -> None:
    """Write some columns of a row that this transaction has locked."""
    values = {name: getattr(row, name) for name in columns}
    ImportOperation.update(**values).where(ImportOperation.key == row.key).execute()
