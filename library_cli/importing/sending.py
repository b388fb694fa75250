"""Send books to the admin service, batch by batch, and gather what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from library_cli.grpc_errors import is_surely_not_done

SAMPLE = Path(__file__).with_name("sample_books.csv")
"""Some sixty well-known books, for a first look."""

BATCH_ROWS = 500
BATCH_BYTES = 4_000_000
"""Bounds of one call, which the service commits as a whole: see ImportBooks in the contract."""

BATCH_SECONDS = 120.0
"""Deadline of one batch."""


@dataclass
class Tally:
    """How many rows came to what, up to which line of the file."""

    line: int = 0
    added: int = 0
    already_there: int = 0
    refused: int = 0
    unanswered: tuple[int, int] | None = None
    """The first and the last line of a batch that was sent, and of which it is not known whether it is in."""

    def count(self, outcomes: Iterable[ImportOutcome]) -> None:
        """Add the outcomes of a batch."""
        self.unanswered = None
        for outcome in outcomes:
            self.line = outcome.line
            if outcome.result == IMPORT_RESULT_ADDED:
                self.added += 1
            elif outcome.result == IMPORT_RESULT_ALREADY_THERE:
                self.already_there += 1
            else:
                self.refused += 1


def import_rows(
    channel: grpc.Channel,
    rows: Iterable[ImportBooksRequest | ImportOutcome],
    tally: Tally | None = None,
    *,
    validate_only: bool = False,
) -> Iterator[list[ImportOutcome]]:
    """Send the rows; yield, for each batch, an outcome for each row in the order of the file.

    Rows that are outcomes already are passed on in their place. A batch is in the catalogue when its outcomes are
    yielded. The tally, which the caller keeps, has the lines of the batch that is being sent. Memory is that of one
    batch; with `validate_only`, which adds nothing that the service could compare later batches with, also about 100
    bytes for each ISBN.
    """
    catalog = CatalogServiceStub(channel)
    isbns: set[int] = set()
    tally = tally or Tally()
    for batch in _batches(rows):
        requests = [row for row in batch if isinstance(row, ImportBooksRequest)]
        for request in requests:
            request.validate_only = validate_only
        answers = _send(catalog, requests, tally) if requests else []
        if validate_only:
            for request, outcome in zip(requests, answers, strict=True):
                mark_repeated(request, outcome, isbns)
        answered = iter(answers)
        yield [next(answered) if isinstance(row, ImportBooksRequest) else row for row in batch]


def _batches(
    rows: Iterable[ImportBooksRequest | ImportOutcome],
) -> Iterator[list[ImportBooksRequest | ImportOutcome]]:
    batch: list[ImportBooksRequest | ImportOutcome] = []
    room = BATCH_BYTES
    for row in rows:
        # With some bytes for `validate_only`, which is set later.
        weight = row.ByteSize() + 10 if isinstance(row, ImportBooksRequest) else 0
        if batch and weight > room:
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append(row)
        room -= weight
        if len(batch) == BATCH_ROWS:
            yield batch
            batch, room = [], BATCH_BYTES
    if batch:
        yield batch


def _send(catalog: CatalogServiceStub, requests: list[ImportBooksRequest], tally: Tally) -> Sequence[ImportOutcome]:
    tally.unanswered = requests[0].line, requests[-1].line
    try:
        return catalog.ImportBooks(iter(requests), timeout=BATCH_SECONDS).outcomes
    except grpc.RpcError as error:
        if is_surely_not_done(error):
            tally.unanswered = None
        raise


def mark_repeated(request: ImportBooksRequest, outcome: ImportOutcome, isbns: set[int]) -> None:
    """Correct the outcome of a row that was only checked where an earlier row has its ISBN."""
    if request.book.isbn and outcome.result == IMPORT_RESULT_ADDED:
        if int(request.book.isbn) in isbns:
            outcome.result = IMPORT_RESULT_ALREADY_THERE
        isbns.add(int(request.book.isbn))


def book_count(channel: grpc.Channel) -> int:
    """Ask the admin service how many books its catalogue has."""
    return StatusServiceStub(channel).GetStatus(GetStatusRequest(), timeout=ANSWER_SECONDS).book_count
