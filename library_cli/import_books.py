"""Send books to the admin service, batch by batch, and gather what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import grpc

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    ImportBooksRequest,
    ImportOutcome,
)
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.admin.v1.status_service_pb2_grpc import StatusServiceStub
from library_cli.channel import ANSWER_SECONDS

SAMPLE = Path(__file__).with_name("sample_books.csv")
"""Some sixty well-known books, for a first look."""

BATCH_ROWS = 1000
"""One call each: small enough that progress is seen, and far under what the service takes in one stream."""

BATCH_SECONDS = 120.0
"""Deadline of one batch."""


@dataclass
class Tally:
    """How many rows came to what, up to which line of the file."""

    line: int = 0
    added: int = 0
    already_there: int = 0
    refused: int = 0

    def count(self, outcomes: Iterable[ImportOutcome]) -> None:
        """Add the outcomes of a batch."""
        for outcome in outcomes:
            self.line = outcome.line
            if outcome.result == IMPORT_RESULT_ADDED:
                self.added += 1
            elif outcome.result == IMPORT_RESULT_ALREADY_THERE:
                self.already_there += 1
            else:
                self.refused += 1


def import_rows(
    channel: grpc.Channel, rows: Iterable[ImportBooksRequest | ImportOutcome], *, validate_only: bool = False
) -> Iterator[list[ImportOutcome]]:
    """Send the rows; give, for each batch, an outcome for each row in the order of the file.

    Rows that are outcomes already are given back in their place. A batch is in the catalogue when its outcomes are
    given. Memory is that of one batch; with `validate_only`, which adds nothing that the service could compare later
    batches with, also about 100 bytes for each ISBN.
    """
    catalog = CatalogServiceStub(channel)
    isbns: set[int] = set()
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        requests = [row for row in batch if isinstance(row, ImportBooksRequest)]
        for request in requests:
            request.validate_only = validate_only
        answers = catalog.ImportBooks(iter(requests), timeout=BATCH_SECONDS).outcomes if requests else []
        if validate_only:
            for request, outcome in zip(requests, answers, strict=True):
                mark_repeated(request, outcome, isbns)
        answered = iter(answers)
        yield [next(answered) if isinstance(row, ImportBooksRequest) else row for row in batch]


def mark_repeated(request: ImportBooksRequest, outcome: ImportOutcome, isbns: set[int]) -> None:
    """Correct the outcome of a row that was only checked where an earlier row has its ISBN."""
    if request.book.isbn and outcome.result == IMPORT_RESULT_ADDED:
        if int(request.book.isbn) in isbns:
            outcome.result = IMPORT_RESULT_ALREADY_THERE
        isbns.add(int(request.book.isbn))


def book_count(channel: grpc.Channel) -> int:
    """Ask the admin service how many books its catalogue has."""
    return StatusServiceStub(channel).GetStatus(GetStatusRequest(), timeout=ANSWER_SECONDS).book_count
