"""What librarians ask for of imports as operations, of covers and of other catalogues.

No book is changed by it, as the ledger would not know which: files are checked only (`validate_only`), and no other
catalogue is set up.
"""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.admin.v1 import import_service_pb2 as imports
from tests.soak.desk import Desk, Plan

KEPT = 20
"""Operations that a caller knows at a time."""

_UNKNOWN = frozenset({"OPERATION_NOT_FOUND"})
_NO_SOURCE = frozenset({"SOURCE_NOT_SET_UP"})


def start_import(desk: Desk) -> Plan:
    """Check a file of lines. Garbled, it could be imported."""
    lines = [f'{{"title": "Checked {desk.new_id()}"}}\n' for _ in range(desk.chance.choice([1, 5, 200]))]
    bad = ['{"title": ""}\n', "{\n"] * desk.chance.randint(0, 2)
    config = imports.ImportConfig(
        format=imports.IMPORT_FORMAT_JSON_LINES, validate_only=True, source="soak", request_id=desk.new_id()
    )
    parts = [imports.StartImportRequest(chunk=line.encode()) for line in [*lines, *bad]]
    parts[0].config.CopyFrom(config)

    def check(operation: Any) -> str:
        desk.operations = [*desk.operations, operation.name][-KEPT:]
        return "" if operation.name.startswith("operations/") else f"started {operation}"

    return Plan(parts, refusals=frozenset({"TOO_MANY_IMPORTS"}), check=check, can_be_garbled=False)


def _named(request: Any, desk: Desk) -> Plan:
    """Plan a request about one of the caller's own operations, or an unknown one."""
    if desk.operations and desk.chance.random() < 0.8:
        request.name = desk.chance.choice(desk.operations)
        return Plan([request], check=lambda found: "" if found.name == request.name else f"not {request.name}: {found}")
    request.name = f"operations/{desk.new_id()}"
    return Plan([request], refusals=_UNKNOWN, must_be_refused=True)


def get_operation(desk: Desk) -> Plan:
    return _named(operations_pb2.GetOperationRequest(), desk)


def wait_operation(desk: Desk) -> Plan:
    request = operations_pb2.WaitOperationRequest()
    request.timeout.FromMilliseconds(desk.chance.choice([1, 100, 1_000]))
    plan = _named(request, desk)
    plan.can_be_garbled = False  # it would wait for as long as the deadline of the call
    return plan


def cancel_operation(desk: Desk) -> Plan:
    name = desk.chance.choice(desk.operations or [f"operations/{desk.new_id()}"])
    return Plan([operations_pb2.CancelOperationRequest(name=name)], refusals=_UNKNOWN)


def delete_operation(desk: Desk) -> Plan:
    """Delete an unknown one: the plans for others name those of this caller."""
    request = operations_pb2.DeleteOperationRequest(name=f"operations/{desk.new_id()}")
    return Plan([request], refusals=_UNKNOWN, must_be_refused=True)


def list_problems(desk: Desk) -> Plan:
    name = desk.chance.choice(desk.operations or [""]).removeprefix("operations/")
    request = imports.ListImportProblemsRequest(import_id=name or desk.new_id())
    return Plan([request], refusals=frozenset() if name else _UNKNOWN, must_be_refused=not name)


def get_cover(desk: Desk) -> Plan:
    request = admin_catalog.GetCoverRequest(book_id=desk.chance.choice(desk.shared).id)
    return Plan([request], refusals=frozenset({"COVER_NOT_FOUND"}), must_be_refused=True)


def search_external(desk: Desk) -> Plan:
    """Ask for what is not set up; garbled, it would be a search of a catalogue that cannot be reached."""
    request = imports.SearchExternalBooksRequest(query="emma", source=["google_books"])
    return Plan([request], refusals=_NO_SOURCE, must_be_refused=True, can_be_garbled=False)


def import_external(desk: Desk) -> Plan:
    request = imports.ImportExternalBookRequest(source="google_books", isbn=desk.isbn())
    return Plan([request], refusals=_NO_SOURCE, must_be_refused=True, can_be_garbled=False)


OPERATION_PLANS = {
    "GetOperation": get_operation,
    "WaitOperation": wait_operation,
    "CancelOperation": cancel_operation,
    "DeleteOperation": delete_operation,
}

IMPORT_PLANS = {
    "StartImport": start_import,
    "ListImportProblems": list_problems,
    "SearchExternalBooks": search_external,
    "ImportExternalBook": import_external,
}
