"""A run of a query: books of another catalogue that are not known here are added, some at a time.

A book is known if one with its id at the source or with one of its ISBNs is in the catalogue, or was removed from it:
what the library removed does not come back by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from admin_server.books.origins import NO_ORIGINS, noted
from admin_server.covers.fetching import fetch_cover
from admin_server.intake.batches import Planned, import_batch
from admin_server.intake.rows import Row, checked_row
from admin_server.jobs.runs import Counts, Run, note_counts
from admin_server.jobs.work import Catalogue, Patience, Work
from admin_server.sources.failures import FetchFailed
from admin_server.sources.records import ExternalRecord
from admin_server.store.models import HAS_ISBN, IN_CATALOGUE, IS_REMOVED, Book, ExternalBook
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_REFUSED,
    ImportBooksRequest,
    ImportOutcome,
)
from library.v1.book_pb2 import IDENTIFIER_TYPE_ISBN
from service_kit.errors import StoreUnavailable
from service_kit.statements import tuples

PAGE = 20
"""Results that are asked for, and committed, at a time."""

MOST_READ = 10
"""Results that a run reads for each book that it may add: those that are known cost little."""

TRIES = 20
"""How often a page is tried where a librarian removes or adds one of its books each time."""


class _KnownMeanwhile(Exception):
    """One of the books was removed, or added with its id at the source, while the page was imported."""


def import_query(work: Work, run: Run, catalogue: Catalogue, most: int, copies: int = 1) -> None:
    """Add at most `most` books. The next run of the job goes on where this one ends, and at the first after the last.

    Raises:
        FetchFailed: The source failed. What was added stays.
        ImportRunUndone: A librarian has undone the run.
        LeaseLost, Stopped: The run ends.
    """
    position, patience, known_to_end = run.position, Patience(), run.position == 0
    read = 0
    while run.added < most and read < most * MOST_READ:
        work.check_stop()
        page = catalogue.page(run.job.query, position, min(PAGE, most - run.added))
        read += page.size
        position = position + page.size if page.size else 0
        for record in page.records:
            record.book.copies = copies
        added = _import_page(work, run, catalogue, page.records, position, patience)
        for book_id, record in added:
            work.check_stop()
            outcome = fetch_cover(work.store, work.pictures, book_id, record.cover_uri, work.clock, run.options)
            if outcome.problem:
                _note(work, run, Counts(problem=f"{record.external_id}: {outcome.problem}"))
        if not page.size:
            if known_to_end:
                return
            known_to_end = True


def _import_page(
    work: Work, run: Run, catalogue: Catalogue, records: Sequence[ExternalRecord], position: int, patience: Patience
) -> list[tuple[str, ExternalRecord]]:
    """Import a page of results in one transaction; return the ids of the books that were added and have a cover."""
    with work.store.reading():
        known = known_records(run.job.source, records)
    unknown = _distinct(records, known)
    counts = Counts(found=len(records), already_there=len(records) - len(unknown))
    new = [full for record in unknown if (full := _full(work, catalogue, record, counts, patience)) is not None]
    for _ in range(TRIES):
        try:
            return _import_new(work, run, new, counts, position)
        except _KnownMeanwhile:
            continue
    raise StoreUnavailable


def _full(
    work: Work, catalogue: Catalogue, record: ExternalRecord, counts: Counts, patience: Patience
) -> ExternalRecord | None:
    """Return all that the source has on a book that it has found; None if that cannot be read."""
    work.check_stop()
    try:
        full = catalogue.with_id(record.external_id)
    except FetchFailed as error:
        patience.failed(error)
        counts.refused += 1
        counts.problem = f"{record.external_id}: {error.problem}"
        return None
    patience.succeeded()
    if full is None:
        return record
    full.book.copies = record.book.copies
    return full


def _import_new(
    work: Work, run: Run, records: Sequence[ExternalRecord], before: Counts, position: int
) -> list[tuple[str, ExternalRecord]]:
    counts = Counts(before.found, before.added, before.updated, before.already_there, before.refused, before.problem)
    with work.store.writing():
        work.lease.keep()
        known = known_records(run.job.source, records)
        new = _distinct(records, known)
        counts.already_there += len(records) - len(new)
        rows = [_row(run, record, line, work.clock()) for line, record in enumerate(new, run.found + 1)]
        outcomes = import_batch(work.store, rows, run.options, Planned(set(), set(), set()), work.clock) if rows else []
        done = list(zip(new, outcomes, strict=True))
        added = [(record, outcome) for record, outcome in done if outcome.result == IMPORT_RESULT_ADDED]
        # The batch has locked the counter, with which books are added and removed: from here on nothing changes.
        if removed_isbns(record for record, _ in added) or known_ids(run.job.source, (each for each, _ in added)):
            raise _KnownMeanwhile
        _note_ids(run.job.source, done)
        for record, outcome in done:
            _count(counts, record, outcome)
        note_counts(run, counts, position)
    run.added += counts.added
    run.found += counts.found
    return [(outcome.book_id, record) for record, outcome in added if record.cover_uri]


def _distinct(records: Iterable[ExternalRecord], known: Collection[str]) -> list[ExternalRecord]:
    """Return the records that are not known, each once: a source can have one twice, also under a former id."""
    found: dict[str, ExternalRecord] = {}
    for record in records:
        if record.external_id not in known:
            found.setdefault(record.external_id, record)
    return list(found.values())


def _row(run: Run, record: ExternalRecord, line: int, now: int) -> Row:
    row = checked_row(ImportBooksRequest(line=line, book=record.book, options=run.options), run.options)
    if row.problems:
        return row
    return row._replace(columns={**row.columns, "origins": noted(NO_ORIGINS, row.given, record.source, now)})


def _count(counts: Counts, record: ExternalRecord, outcome: ImportOutcome) -> None:
    if outcome.result == IMPORT_RESULT_ADDED:
        counts.added += 1
    elif outcome.result == IMPORT_RESULT_REFUSED:
        counts.refused += 1
        problem = outcome.problems[0]
        counts.problem = f"{record.external_id}: {problem.field} {problem.description}"
    else:
        counts.already_there += 1


def _note_ids(source: str, done: Iterable[tuple[ExternalRecord, ImportOutcome]]) -> None:
    """Note which books came from which records, so that they are known also without an ISBN."""
    books = {record.external_id: outcome.book_id for record, outcome in done if outcome.book_id}
    known = known_ids(source, (record for record, _ in done))
    rows = [
        {"source": source, "external_id": external_id, "book_id": book_id}
        for external_id, book_id in books.items()
        if external_id not in known
    ]
    if rows:
        ExternalBook.insert_many(rows).execute()


def _note(work: Work, run: Run, counts: Counts) -> None:
    with work.store.writing():
        work.lease.keep()
        note_counts(run, counts)


def known_records(source: str, records: Collection[ExternalRecord]) -> set[str]:
    """Return the ids at the source of those records whose books are in the catalogue, or were removed from it."""
    isbns = _isbns(records)
    there = _books_with(isbns, IN_CATALOGUE) | _books_with(isbns, IS_REMOVED)
    return known_ids(source, records) | {each.external_id for each in records if there & _isbns([each])}


def known_ids(source: str, records: Iterable[ExternalRecord]) -> set[str]:
    """Return the ids at the source from which books were added before."""
    ids = {record.external_id for record in records}
    query = ExternalBook.select(ExternalBook.external_id).where(
        ExternalBook.source == source, ExternalBook.external_id.in_(ids)
    )
    return {external_id for (external_id,) in tuples(query)} if ids else set()


def removed_isbns(records: Iterable[ExternalRecord]) -> set[str]:
    """Return the ISBNs of the records that books have which were removed."""
    return _books_with(_isbns(records), IS_REMOVED)


def _books_with(isbns: Collection[str], state: object) -> set[str]:
    query = Book.select(Book.isbn).where(Book.isbn.in_(isbns), HAS_ISBN, state)
    return {isbn for (isbn,) in tuples(query)} if isbns else set()


def _isbns(records: Iterable[ExternalRecord]) -> set[str]:
    """Return all ISBNs of the records, those of other editions in the same record included."""
    found: set[str] = set()
    for record in records:
        found.add(record.book.isbn)
        found |= {each.value for each in record.book.identifiers if each.type == IDENTIFIER_TYPE_ISBN}
    return found - {""}
