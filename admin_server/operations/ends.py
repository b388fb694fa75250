"""The end of an operation, and the deletion of what is not needed after it."""

from __future__ import annotations

import peewee

from admin_server.operations import chunks, plans
from admin_server.operations.leases import save
from admin_server.store.models import UPLOADING, ImportChunk, ImportOperation, ImportPlan
from library.admin.v1.import_service_pb2 import IMPORT_STATE_RUNNING, ImportState
from service_kit.clock import SECOND, Clock
from service_kit.errors import ServiceError, rich_status
from service_kit.ids import new_request_id
from service_kit.statements import Statement, param
from service_kit.store import Store

LEFT_BEHIND = Statement(
    ImportOperation.select(ImportOperation.key)
    .where(
        (ImportOperation.state > IMPORT_STATE_RUNNING)
        | ((ImportOperation.state == UPLOADING) & (ImportOperation.create_time < param("before"))),
        peewee.fn.EXISTS(ImportChunk.select(ImportChunk.number).where(ImportChunk.operation == ImportOperation.key))
        | peewee.fn.EXISTS(ImportPlan.select(ImportPlan.digest).where(ImportPlan.operation == ImportOperation.key))
        | (ImportOperation.state == UPLOADING),
    )
    .order_by(ImportOperation.key)
)
"""Operations that have ended, and abandoned uploads, of which the store has more than it needs."""


def end_operation(row: ImportOperation, state: ImportState.ValueType, now: int, error: ServiceError | None) -> None:
    """End an operation whose row this transaction has locked."""
    row.state, row.end_time, row.worker, row.problem = state, now, "", ""
    row.error = b"" if error is None else rich_status(error, new_request_id()).SerializeToString(deterministic=True)
    save(row, "state", "end_time", "worker", "problem", "error")


def delete_left_behind(store: Store, clock: Clock, abandoned_seconds: float) -> None:
    """Delete the files of operations that have ended, and abandoned uploads."""
    with store.reading():
        keys = [key for (key,) in LEFT_BEHIND.rows(before=clock() - int(abandoned_seconds * SECOND))]
    for key in keys:
        delete_file(store, key)


def delete_file(store: Store, key: int) -> None:
    """Delete the file and the plan of an operation that has ended, some parts at a time; of an upload, also its row."""
    while True:
        with store.writing():
            row = store.locking(ImportOperation.select().where(ImportOperation.key == key)).first()
            if row is None:
                return
            if chunks.delete_some(key) or plans.delete_some(key):
                continue
            if row.state == UPLOADING:
                ImportOperation.delete().where(ImportOperation.key == key).execute()
            return
