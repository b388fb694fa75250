"""Imports as operations without a server around them, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    Operation,
)
from google.rpc.error_details_pb2 import ErrorInfo

from admin_server.intake import batches as import_batch_of
from admin_server.operations import importing, listing, problems
from admin_server.operations.limits import LIMITS, OperationLimits
from admin_server.operations.signals import Signals
from admin_server.operations.uploads import start_import
from admin_server.operations.worker import Worker
from admin_server.store.models import Book, ImportChunk, ImportPlan, Item
from library.admin.v1.import_service_pb2 import (
    ImportConfig,
    ImportProblem,
    ImportProgress,
    ImportSummary,
    ListImportProblemsRequest,
    StartImportRequest,
)
from service_kit.store import Store
from tests.support.admin import Admin, every_page
from tests.support.isbns import isbn13

SMALL = replace(LIMITS, batch_rows=7, chunk_bytes=200, lease_seconds=0.0, poll_seconds=0.01)
"""Limits with which a small file has several parts and batches, and each lease has lapsed at once."""


def json_lines(books: Iterable[Mapping[str, object]]) -> bytes:
    """Return a file with these books."""
    return b"".join(json.dumps(book).encode() + b"\n" for book in books)


def some_books(count: int, first: int = 0) -> list[dict[str, object]]:
    """Return books of which each differs from all others."""
    return [
        {"title": f"Title {number}", "isbn": isbn13(number), "authors": [f"Author {number % 7}"]}
        for number in range(first, first + count)
    ]


class Operations:
    """The operations of an admin, and a worker that the test calls."""

    def __init__(self, admin: Admin, limits: OperationLimits = SMALL) -> None:
        self.admin, self.store, self.limits = admin, admin.store, limits
        self.signals = Signals()
        self.worker = self.another_worker()

    def another_worker(self) -> Worker:
        """Make a worker as another process has it."""
        return Worker(self.store, self.admin.clock, self.signals, self.limits)

    def start(self, file: bytes, part_bytes: int = 150, **config: Any) -> Operation:
        """Upload a file in parts."""
        return start_import(
            self.store, messages(file, ImportConfig(**config), part_bytes), self.admin.clock, self.signals, self.limits
        )

    def run(self, file: bytes, **config: Any) -> Operation:
        """Upload a file and import it."""
        operation = self.start(file, **config)
        assert self.worker.work()
        return self.get(operation)

    def get(self, operation: Operation) -> Operation:
        """Return the operation as it is now."""
        return listing.get_operation(self.store, GetOperationRequest(name=operation.name))

    def all(self, page_size: int = 0, filter_: str = "") -> list[Operation]:
        """List all operations, page after page."""
        request = ListOperationsRequest(page_size=page_size, filter=filter_)
        return every_page(lambda: listing.list_operations(self.store, request), request)

    def cancel(self, operation: Operation) -> None:
        """Cancel an operation."""
        listing.cancel_operation(self.store, CancelOperationRequest(name=operation.name), self.admin.clock)

    def delete(self, operation: Operation) -> None:
        """Delete an operation."""
        listing.delete_operation(self.store, DeleteOperationRequest(name=operation.name))

    def problems(self, operation: Operation, page_size: int = 0) -> list[ImportProblem]:
        """List the problems of an operation, page after page."""
        request = ListImportProblemsRequest(import_id=progress(operation).import_id, page_size=page_size)
        return every_page(lambda: problems.list_problems(self.store, request), request)


def messages(file: bytes, config: ImportConfig, part_bytes: int) -> Iterator[StartImportRequest]:
    """Yield the messages of an upload."""
    parts = [file[first : first + part_bytes] for first in range(0, len(file), part_bytes)] or [b""]
    for place, part in enumerate(parts):
        yield StartImportRequest(config=config if place == 0 else None, chunk=part)


def progress(operation: Operation) -> ImportProgress:
    """Return the metadata of an operation."""
    found = ImportProgress()
    assert operation.metadata.Unpack(found)
    return found


def summary(operation: Operation) -> ImportSummary:
    """Return the response of an operation that has succeeded."""
    found = ImportSummary()
    assert operation.done
    assert operation.response.Unpack(found), operation
    return found


def reason(operation: Operation) -> str:
    """Return the reason of an operation that has not succeeded."""
    info = ErrorInfo()
    assert operation.done
    assert operation.error.details[0].Unpack(info)
    return info.reason


def catalogue(store: Store) -> list[tuple[object, ...]]:
    """Return all books, and the barcodes of their items, without what differs from one import to the next."""
    with store.reading():
        books = list(Book.select().order_by(Book.isbn, Book.title, Book.key))
        items: dict[str, list[str]] = {}
        for item in Item.select().order_by(Item.barcode):
            items.setdefault(item.book_id, []).append(f"{item.barcode[:6]} {item.state} {item.branch} {item.shelf}")
    return [
        (book.isbn, book.title, book.authors, book.total_copies, book.lendable_copies, book.state, items.get(book.id))
        for book in books
    ]


def leftovers(store: Store) -> int:
    """Return how many rows of files and plans the store has."""
    with store.reading():
        return int(ImportChunk.select().count() + ImportPlan.select().count())


def after_each_batch(monkeypatch: pytest.MonkeyPatch, do: Callable[[int], object]) -> None:
    """Call `do` with the number of batches after each commit of one."""
    real, batches = import_batch_of.import_batch, 0

    def import_batch(*arguments: Any) -> object:
        nonlocal batches
        outcomes = real(*arguments)
        batches += 1
        do(batches)
        return outcomes

    monkeypatch.setattr(importing, "import_batch", import_batch)
