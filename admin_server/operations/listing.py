"""Get, list, cancel and delete operations, and wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    Operation,
    WaitOperationRequest,
)

from admin_server.operations import chunks, plans
from admin_server.operations.ends import end_operation
from admin_server.operations.leases import save
from admin_server.operations.limits import LIMITS, OperationLimits
from admin_server.operations.messages import COLLECTION, operation_message
from admin_server.operations.signals import Signals
from admin_server.store.models import UPLOADING, ImportOperation, ImportProblem, ImportRun
from library.admin.v1.import_service_pb2 import IMPORT_STATE_CANCELLED, IMPORT_STATE_RUNNING
from library_domain.import_errors import OperationCancelled, OperationNotDone, OperationNotFound
from service_kit.calls.current import check_wanted
from service_kit.change_record import record_change
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.ids import UUID
from service_kit.paging import page, page_size, row_position
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import read_rows, readable

FILTERS = {
    "": ImportOperation.state != UPLOADING,
    "done=true": ImportOperation.state > IMPORT_STATE_RUNNING,
    "done=false": (ImportOperation.state <= IMPORT_STATE_RUNNING) & (ImportOperation.state != UPLOADING),
}


def operation_id(name: str) -> str:
    """Return the id in the name of an operation.

    Raises `FieldInvalid`, and `OperationNotFound` for the name of the collection, which a path without an id has.
    """
    identity = name.removeprefix(COLLECTION)
    if name in ("operations", COLLECTION):
        raise OperationNotFound(name=name)
    if not name.startswith(COLLECTION) or not UUID.fullmatch(identity):
        raise FieldInvalid(("name", "must be operations/ and a UUID"))
    return identity.lower()


def check_list(request: ListOperationsRequest) -> None:
    """Raise `FieldInvalid` with what is wrong with a request for a list."""
    wrong = []
    if request.name not in ("", "operations"):
        wrong.append(("name", "must be operations, or not set"))
    if request.filter.replace(" ", "") not in FILTERS:
        wrong.append(("filter", "must be done=true or done=false, or not set"))
    if request.page_size < 0:
        wrong.append(("page_size", "must not be negative"))
    if wrong:
        raise FieldInvalid(*wrong)


def check_timeout(request: WaitOperationRequest) -> None:
    """Raise `FieldInvalid` for a timeout below zero."""
    if request.timeout.seconds < 0 or request.timeout.nanos < 0:
        raise FieldInvalid(("timeout", "must not be negative"))


def get_operation(store: Store, request: GetOperationRequest) -> Operation:
    """Return an operation. Raises `OperationNotFound`."""
    return _get(store, operation_id(request.name))


def _get(store: Store, identity: str) -> Operation:
    with store.reading(), readable("operation", identity):
        row = ImportOperation.get_or_none(ImportOperation.id == identity, ImportOperation.state != UPLOADING)
        if row is None:
            raise OperationNotFound(name=COLLECTION + identity)
        return operation_message(row, _undo_times([identity]).get(identity))


def list_operations(store: Store, request: ListOperationsRequest) -> tuple[list[Operation], str]:
    """Return a page of the operations, the newest first, and the token of the next. Raises `FieldInvalid`."""
    check_list(request)
    query = ImportOperation.select().where(FILTERS[request.filter.replace(" ", "")])
    if before := row_position(request):
        query = query.where(ImportOperation.key < before)
    with store.reading():
        rows = read_rows(query.order_by(ImportOperation.key.desc()).limit(page_size(request) + 1), ImportOperation)
        undo_times = _undo_times(row.id for row in rows if isinstance(row, ImportOperation))
        return page(request, rows, lambda row: operation_message(row, undo_times.get(row.id)), lambda row: row.key)


def cancel_operation(store: Store, request: CancelOperationRequest, clock: Clock) -> None:
    """Cancel an operation: at once if nobody works on it, otherwise at its next batch. One that has ended stays so.

    Raises `OperationNotFound`.
    """
    identity = operation_id(request.name)
    with store.writing():
        row = _locked(store, identity)
        if row.state <= IMPORT_STATE_RUNNING and not row.cancel_time:
            row.cancel_time = clock()
            save(row, "cancel_time")
            if not row.worker:
                end_operation(row, IMPORT_STATE_CANCELLED, row.cancel_time, OperationCancelled(record=row.records))
        record_change(request)


def delete_operation(store: Store, request: DeleteOperationRequest) -> None:
    """Delete an operation that has ended, with its problems; its run, and what it imported, stay.

    Raises `OperationNotFound` and `OperationNotDone`.
    """
    identity = operation_id(request.name)
    is_more_left = True
    while is_more_left:
        with store.writing():
            row = _locked(store, identity)
            if row.state <= IMPORT_STATE_RUNNING:
                raise OperationNotDone(name=request.name)
            is_more_left = chunks.delete_some(row.key) or plans.delete_some(row.key)
            if not is_more_left:
                ImportProblem.delete().where(ImportProblem.operation == row.key).execute()
                ImportOperation.delete().where(ImportOperation.key == row.key).execute()
                record_change(request)


class Waiting:
    """The calls that wait for operations: a limited number at a time, of which one looks into the store at a time."""

    def __init__(self, store: Store, signals: Signals, limits: OperationLimits = LIMITS) -> None:
        self._store, self._signals, self._limits = store, signals, limits
        self._places = threading.BoundedSemaphore(limits.waiters)
        self._looking = threading.Lock()

    def wait(self, request: WaitOperationRequest) -> Operation:
        """Return an operation when it has ended, or when the timeout of the request or of this server is over.

        Raises `OperationNotFound`.
        """
        identity = operation_id(request.name)
        check_timeout(request)
        if not self._places.acquire(blocking=False):
            return _get(self._store, identity)
        try:
            return self._wait(identity, time.monotonic() + self._seconds(request))
        finally:
            self._places.release()

    def _wait(self, identity: str, until: float) -> Operation:
        while True:
            check_wanted()
            with self._looking:
                operation = _get(self._store, identity)
            rest = until - time.monotonic()
            if operation.done or rest <= 0 or self._signals.is_stopping():
                return operation
            self._signals.wait_for_change(min(rest, self._limits.poll_seconds))

    def _seconds(self, request: WaitOperationRequest) -> float:
        most = self._limits.wait_seconds
        if not request.HasField("timeout"):
            return most
        seconds: float = request.timeout.seconds + request.timeout.nanos / 1e9
        return min(most, seconds)


def _locked(store: Store, identity: str) -> ImportOperation:
    query = ImportOperation.select().where(ImportOperation.id == identity, ImportOperation.state != UPLOADING)
    row: ImportOperation | None = store.locking(query).first()
    if row is None:
        raise OperationNotFound(name=COLLECTION + identity)
    return row


def _undo_times(ids: Iterable[str]) -> dict[str, int | None]:
    query = ImportRun.select(ImportRun.id, ImportRun.undo_time).where(ImportRun.id.in_(list(ids)))
    return dict(tuples(query))
