"""The messages of an operation, made from its row."""

from __future__ import annotations

from google.longrunning.operations_pb2 import Operation
from google.rpc.status_pb2 import Status

from admin_server.store.models import ImportOperation
from library.admin.v1.import_service_pb2 import (
    IMPORT_STATE_RUNNING,
    IMPORT_STATE_SUCCEEDED,
    ImportConfig,
    ImportFormat,
    ImportProgress,
    ImportState,
    ImportSummary,
)
from service_kit.clock import timestamp, timestamp_if_set

COLLECTION = "operations/"
"""How the names of operations begin."""


def operation_message(row: ImportOperation, undo_time: int | None = None) -> Operation:
    """Convert a row to the message; `undo_time` is that of its run."""
    operation = Operation(name=COLLECTION + row.id, done=row.state > IMPORT_STATE_RUNNING)
    progress = _progress(row, undo_time)
    operation.metadata.Pack(progress, deterministic=True)
    if row.error:
        operation.error.CopyFrom(Status.FromString(bytes(row.error)))
    elif row.state == IMPORT_STATE_SUCCEEDED:
        operation.response.Pack(progress.summary, deterministic=True)
    return operation


def _progress(row: ImportOperation, undo_time: int | None) -> ImportProgress:
    config = ImportConfig.FromString(bytes(row.config))
    return ImportProgress(
        import_id=row.id,
        source=config.source,
        state=ImportState.ValueType(row.state),
        format=ImportFormat.ValueType(row.format),
        validate_only=config.validate_only,
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
        end_time=timestamp_if_set(row.end_time),
        undo_time=timestamp_if_set(undo_time or 0),
        total_bytes=row.total_bytes,
        done_bytes=row.position,
        summary=ImportSummary(
            record_count=row.records,
            added_count=row.added,
            updated_count=row.updated,
            copies_added_count=row.copies_added,
            already_there_count=row.already_there,
            refused_count=row.refused,
            item_count=row.items,
            problem_count=row.problems,
        ),
        problem=row.problem,
    )
