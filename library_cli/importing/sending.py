"""Send books to the admin service, batch by batch, and collect the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_UPDATED,
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_UPDATE,
    ImportBooksRequest,
    ImportOptions,
    ImportOutcome,
)
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.admin.v1.status_service_pb2_grpc import StatusServiceStub
from library_cli.channel import ANSWER_SECONDS
from library_cli.grpc_errors import is_surely_not_done
from library_cli.importing.seen import Seen
from library_domain.titles import title_identity, title_key

SAMPLE = Path(__file__).with_name("sample_books.csv")
"""Some sixty well-known books, for a first try."""

BATCH_ROWS = 500
BATCH_BYTES = 4_000_000
"""Limits of one call, which the service commits as a whole: see ImportBooks in the contract."""

OPTIONS_BYTES = 1_000
"""Bytes that are left free in a batch for the options, which are in its first row."""

BATCH_SECONDS = 120.0
"""Deadline of one batch."""


COUNTED = {
    IMPORT_RESULT_ADDED: "added",
    IMPORT_RESULT_UPDATED: "updated",
    IMPORT_RESULT_COPIES_ADDED: "copies_added",
    IMPORT_RESULT_ALREADY_THERE: "already_there",
}
DUPLICATE = {ON_DUPLICATE_UPDATE: IMPORT_RESULT_UPDATED, ON_DUPLICATE_ADD_COPIES: IMPORT_RESULT_COPIES_ADDED}
"""The result of a row whose book is in the catalogue already; in other modes ALREADY_THERE."""


@dataclass
class Tally:
    """The counts of the rows by outcome, up to `line` of the file."""

    line: int = 0
    added: int = 0
    updated: int = 0
    copies_added: int = 0
    already_there: int = 0
    refused: int = 0
    added_without_isbn: int = 0
    """How many of the added books would be added again by the same import, as they have no ISBN."""
    done_before: int = 0
    """How many of these were done by an earlier call of this run."""
    go_on: Callable[[int], str] | None = None
    """Returns the command line that continues from a line. It repeats no row of a batch without an answer."""
    unanswered: tuple[int, int] | None = None
    """The first and the last line of a batch that was sent, and for which no answer came."""

    def count(self, outcomes: Iterable[ImportOutcome]) -> None:
        """Add the outcomes of a batch."""
        self.unanswered = None
        for outcome in outcomes:
            self.line = outcome.line
            self.done_before += outcome.already_done
            name = COUNTED.get(outcome.result, "refused")
            setattr(self, name, getattr(self, name) + 1)

    @property
    def rows(self) -> int:
        """How many rows have an outcome."""
        return self.added + self.updated + self.copies_added + self.already_there + self.refused

    @property
    def changes(self) -> int:
        """How many rows changed the catalogue."""
        return self.added + self.updated + self.copies_added


def import_rows(
    channel: grpc.Channel,
    rows: Iterable[ImportBooksRequest | ImportOutcome],
    tally: Tally | None = None,
    *,
    validate_only: bool = False,
    options: ImportOptions | None = None,
) -> Iterator[list[ImportOutcome]]:
    """Send the rows; yield, for each batch, an outcome for each row in the order of the file.

    Rows that are outcomes already are yielded in their place. A batch is committed when its outcomes are yielded. The
    tally, which the caller keeps, has the lines of the batch that is being sent. One batch is in memory at a time. With
    `validate_only` nothing is added that the service could compare later batches with, so the books of earlier batches
    are kept in a temporary file.
    """
    catalog = CatalogServiceStub(channel)
    options = options or ImportOptions()
    tally = tally or Tally()
    with closing(Seen()) as isbns, closing(Seen()) as titles:
        for batch in _batches(rows):
            requests = [row for row in batch if isinstance(row, ImportBooksRequest)]
            for request in requests:
                request.validate_only = validate_only
            if requests:
                requests[0].options.CopyFrom(options)
            answers = _send(catalog, requests, tally) if requests else []
            if validate_only:
                for request, outcome in zip(requests, answers, strict=True):
                    mark_repeated(request, outcome, options, isbns, titles)
            if not options.match_title:
                tally.added_without_isbn += sum(
                    outcome.result == IMPORT_RESULT_ADDED and not request.book.isbn
                    for request, outcome in zip(requests, answers, strict=True)
                )
            answered = iter(answers)
            yield [next(answered) if isinstance(row, ImportBooksRequest) else row for row in batch]


def _batches(
    rows: Iterable[ImportBooksRequest | ImportOutcome],
) -> Iterator[list[ImportBooksRequest | ImportOutcome]]:
    batch: list[ImportBooksRequest | ImportOutcome] = []
    room = BATCH_BYTES - OPTIONS_BYTES
    for row in rows:
        # With some bytes for `validate_only`, which is set later.
        weight = row.ByteSize() + 10 if isinstance(row, ImportBooksRequest) else 0
        if batch and weight > room:
            yield batch
            batch, room = [], BATCH_BYTES - OPTIONS_BYTES
        batch.append(row)
        room -= weight
        if len(batch) == BATCH_ROWS:
            yield batch
            batch, room = [], BATCH_BYTES - OPTIONS_BYTES
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


def mark_repeated(
    request: ImportBooksRequest, outcome: ImportOutcome, options: ImportOptions, isbns: Seen, titles: Seen
) -> None:
    """Correct the outcome of a validated row whose book an earlier batch has.

    `isbns` and `titles` have the books that earlier rows would have added.
    """
    if outcome.result != IMPORT_RESULT_ADDED:
        return
    is_new = True
    if options.match_title:
        is_new = titles.add(title_key(title_identity(request.book.title, request.book.authors)))
    if request.book.isbn:
        is_new = isbns.add(int(request.book.isbn))
    if not is_new:
        outcome.result = DUPLICATE.get(options.on_duplicate, IMPORT_RESULT_ALREADY_THERE)


def book_count(channel: grpc.Channel) -> int:
    """Return the number of books in the catalogue."""
    return StatusServiceStub(channel).GetStatus(GetStatusRequest(), timeout=ANSWER_SECONDS).book_count
