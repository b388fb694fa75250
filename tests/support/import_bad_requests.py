"""Requests to ImportService and google.longrunning.Operations with every problem that they can have: `IMPORT_CASES`."""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2 as operations
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from library.admin.v1 import import_service_pb2 as imports
from library.admin.v1.catalog_service_pb2 import GetCoverRequest

IMPORTS, OPERATIONS = "library.admin.v1.ImportService", "google.longrunning.Operations"

BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}

NOTHING_TO_GET_WRONG = {
    f"{IMPORTS}/StartImport",  # a stream; see tests/store/test_import_operations.py
    f"{IMPORTS}/ListSources",
}

IMPORT_CASES: list[tuple[str, Message, set[str]]] = [
    (
        f"{IMPORTS}/ListImportProblems",
        imports.ListImportProblemsRequest(import_id="7", **BAD_TOKEN),
        {"import_id", *BAD_TOKEN},
    ),
    (
        f"{IMPORTS}/SearchExternalBooks",
        imports.SearchExternalBooksRequest(query="\x00", source=["s" * 51], page_size=-1),
        {"query", "source[0]", "page_size"},
    ),
    (
        f"{IMPORTS}/ImportExternalBook",
        imports.ImportExternalBookRequest(
            source="s" * 51, external_id="x" * 101, isbn="x" * 101, copies=10_001, request_id="7"
        ),
        {"source", "external_id", "isbn", "copies", "request_id"},
    ),
    (f"{IMPORTS}/ListSourceRuns", imports.ListSourceRunsRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    ("library.admin.v1.CatalogService/GetCover", GetCoverRequest(book_id="7"), {"book_id"}),
    (f"{OPERATIONS}/GetOperation", operations.GetOperationRequest(name="operations/7"), {"name"}),
    (
        f"{OPERATIONS}/ListOperations",
        operations.ListOperationsRequest(name="x", filter="state=1", **BAD_TOKEN),
        {"name", "filter", *BAD_TOKEN},
    ),
    (f"{OPERATIONS}/CancelOperation", operations.CancelOperationRequest(name=""), {"name"}),
    (f"{OPERATIONS}/DeleteOperation", operations.DeleteOperationRequest(name="x"), {"name"}),
    (
        f"{OPERATIONS}/WaitOperation",
        operations.WaitOperationRequest(name="x", timeout=Duration(seconds=-1)),
        {"name", "timeout"},
    ),
]
