"""What was wrong with the records of an operation: stored with its progress, listed in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from admin_server.operations.records import Record
from admin_server.store.models import ImportOperation, ImportProblem
from library.admin.v1 import import_service_pb2 as messages
from library.admin.v1.catalog_service_pb2 import IMPORT_RESULT_REFUSED, ImportOutcome
from library.admin.v1.import_service_pb2 import ListImportProblemsRequest
from library_domain.import_errors import OperationNotFound
from service_kit.paging import page, page_size, row_position
from service_kit.statements import Statement, param
from service_kit.store import Store

COLUMNS = ("operation", "number", "record", "control_number", "field", "description", "imported")
INSERT = Statement(ImportProblem.insert(**{name: param(name) for name in COLUMNS}))


def save_problems(row: ImportOperation, records: Sequence[Record], outcomes: Iterable[ImportOutcome], most: int) -> int:
    """Store the problems of a batch within its transaction, at most `most` of an operation; return their number."""
    found = [
        {
            "operation": row.key,
            "record": record.number,
            "control_number": record.control_number,
            "field": field,
            "description": description,
            "imported": int(outcome.result != IMPORT_RESULT_REFUSED),
        }
        for record, outcome in zip(records, outcomes, strict=True)
        for field, description in _problems(record, outcome)
    ]
    INSERT.many({**each, "number": number} for number, each in enumerate(found, row.problems + 1) if number <= most)
    return len(found)


def _problems(record: Record, outcome: ImportOutcome) -> list[tuple[str, str]]:
    if outcome.result == IMPORT_RESULT_REFUSED:
        return [(problem.field, problem.description) for problem in outcome.problems]
    return list(record.remarks)


def list_problems(store: Store, request: ListImportProblemsRequest) -> tuple[list[messages.ImportProblem], str]:
    """Return a page of the problems of an operation, and the token of the next. Raises `OperationNotFound`."""
    after = row_position(request)
    with store.reading():
        operation = ImportOperation.get_or_none(ImportOperation.id == request.import_id)
        if operation is None:
            raise OperationNotFound(name=f"operations/{request.import_id}")
        query = ImportProblem.select().where(ImportProblem.operation == operation.key, ImportProblem.number > after)
        rows = list(query.order_by(ImportProblem.number).limit(page_size(request) + 1))
        return page(request, rows, problem_message, lambda row: row.number)


def problem_message(row: ImportProblem) -> messages.ImportProblem:
    """Convert a row to the message."""
    return messages.ImportProblem(
        record=row.record,
        control_number=row.control_number,
        field=row.field,
        description=row.description,
        imported=bool(row.imported),
    )
