"""A run that fills gaps: books with an ISBN but without a description or a cover, a few at a time.

Only empty fields are filled, and none that a person has cleared. A book is asked about once in 30 days.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from admin_server.books.entries import ENTRY_COLUMNS, book_columns, derived_columns
from admin_server.books.messages import etag
from admin_server.books.origins import fillable, is_empty, noted
from admin_server.books.writing import locked_book, update_books
from admin_server.covers.fetching import cover_problem, fetched_picture
from admin_server.covers.pictures import Picture, PictureRefused
from admin_server.covers.storing import Stored, has_cover, store_cover
from admin_server.intake import runs as import_runs
from admin_server.jobs.runs import Counts, Run, note_counts
from admin_server.jobs.work import Catalogue, Patience, Work, is_of_server
from admin_server.sources.failures import FetchFailed
from admin_server.sources.records import ExternalRecord, record_problems
from admin_server.store.models import HAS_GAPS, HAS_ISBN, IN_CATALOGUE, AskedBook, Book
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library_domain.book_fields import FIELD_NAMES
from service_kit.clock import DAY
from service_kit.errors import RowUnreadable
from service_kit.etags import etag_of
from service_kit.statements import tuples
from service_kit.unreadable import readable

ASKED_AGAIN_AFTER = 30 * DAY
KEYS = 500
"""Books that are looked at with one query."""

MOST_KEYS = 20 * KEYS
"""Books with gaps that a run looks at: most were asked about lately."""

NOT_FILLED = frozenset({"title", "isbn", "total_copies"})


class Gap(NamedTuple):
    """A book with gaps."""

    key: int
    id: str
    isbn: str
    lacks_cover: bool


class Found(NamedTuple):
    """What a source has on a book."""

    columns: dict[str, object]
    """Values that the source has, as columns."""
    picture: Picture | None
    address: str
    """Of the picture."""
    problem: str
    is_to_be_asked_again: bool


NOTHING = Found({}, None, "", "", False)


def fill_gaps(work: Work, run: Run, catalogue: Catalogue, most: int) -> None:
    """Ask the source about at most `most` books, in the order of the catalogue. The next run goes on after the last.

    Raises:
        FetchFailed: The source failed. What was filled stays.
        ImportRunUndone: A librarian has undone the run.
        LeaseLost, Stopped: The run ends.
    """
    patience = Patience()
    gaps, position = find_gaps(work, run.job.source, run.position, most)
    for gap in gaps:
        work.check_stop()
        try:
            found = _found(work, catalogue, gap)
            patience.succeeded()
        except FetchFailed as error:
            patience.failed(error)
            found = NOTHING._replace(problem=error.problem)
        try:
            _fill(work, run, gap, found)
        except RowUnreadable as error:
            _leave_out(work, run, gap, str(error))
    with work.store.writing():
        work.lease.keep()
        note_counts(run, Counts(), position)


def find_gaps(work: Work, source: str, after: int, most: int) -> tuple[list[Gap], int]:
    """Return the next books that the source was not asked about lately.

    Also return the key after which the next run goes on: 0 at the end of the catalogue.
    """
    gaps: list[Gap] = []
    now = work.clock()
    with work.store.reading():
        for _ in range(0, MOST_KEYS, KEYS):
            page = _page_of_gaps(after)
            asked = _asked(source, [gap.key for gap in page], now)
            room = most - len(gaps)
            fresh = [gap for gap in page if gap.key not in asked]
            gaps += fresh[:room]
            if len(fresh) > room or len(gaps) == most:
                return gaps, gaps[-1].key
            if len(page) < KEYS:
                return gaps, 0
            after = page[-1].key
    return gaps, after


def _page_of_gaps(after: int) -> list[Gap]:
    query = (
        Book.select(Book.key, Book.id, Book.isbn, (Book.cover_digest == "") & (Book.cover_uri == ""))
        .where(Book.key > after, IN_CATALOGUE, HAS_ISBN, HAS_GAPS)
        .order_by(Book.key)
        .limit(KEYS)
    )
    return [Gap(key, book_id, isbn, bool(lacks)) for key, book_id, isbn, lacks in tuples(query)]


def _asked(source: str, keys: list[int], now: int) -> set[int]:
    """Return the keys of the books that the source was asked about lately."""
    query = AskedBook.select(AskedBook.book).where(
        AskedBook.source == source, AskedBook.book.in_(keys), AskedBook.ask_time.between(now - ASKED_AGAIN_AFTER, now)
    )
    return {key for (key,) in tuples(query)} if keys else set()


def _found(work: Work, catalogue: Catalogue, gap: Gap) -> Found:
    record = catalogue.with_isbn(gap.isbn)
    if record is None:
        return NOTHING
    columns, problem = _columns(record)
    picture, is_to_be_asked_again = None, False
    if gap.lacks_cover and record.cover_uri:
        try:
            picture = fetched_picture(work.pictures, record.cover_uri)
        except PictureRefused as error:
            problem = cover_problem(error)
        except FetchFailed as error:
            problem, is_to_be_asked_again = cover_problem(error), is_of_server(error)
    return Found(columns, picture, record.cover_uri, problem, is_to_be_asked_again)


def _columns(record: ExternalRecord) -> tuple[dict[str, object], str]:
    """Return the values of a record that fill gaps, and what is wrong with it; one wrong value refuses all of them."""
    record.book.title = record.book.title or "A"  # it is not filled, but a record must have one
    if wrong := record_problems(record):
        field, problem = wrong[0]
        return {}, f"{field} {problem}"
    columns = book_columns(record.book)
    return {name: columns[name] for name in FIELD_NAMES if name not in NOT_FILLED}, ""


def _fill(work: Work, run: Run, gap: Gap, found: Found) -> None:
    """Fill a book, and note that the source was asked about it, in one transaction."""
    counts = Counts(found=int(bool(found.columns or found.picture)))
    if found.problem:
        counts.problem = f"{gap.isbn}: {found.problem}"
    with work.store.writing(), readable("book", gap.id):
        work.lease.keep()
        now = work.clock()
        import_run = import_runs.open_run(work.store, run.options, now)
        assert import_run is not None
        row = locked_book(work.store, gap.id)
        is_filled = False
        if row.state != BOOK_STATE_REMOVED and row.isbn == gap.isbn:
            is_filled = _fill_columns(row, found, run, import_run, now)
            if found.picture is not None and not has_cover(row):
                stored = store_cover(work.store, gap.id, found.picture, found.address, work.clock, run.options)
                is_filled |= stored is Stored.STORED
        if is_filled:
            counts.updated = 1
        elif counts.found:
            counts.already_there = 1
        elif found.problem:
            counts.refused = 1
        if not found.is_to_be_asked_again:
            _note_asked(gap.key, run.job.source, now)
        note_counts(run, counts, gap.key)


def _leave_out(work: Work, run: Run, gap: Gap, problem: str) -> None:
    """Note a book that is damaged in the store, and go on after it."""
    with work.store.writing():
        work.lease.keep()
        _note_asked(gap.key, run.job.source, work.clock())
        note_counts(run, Counts(refused=1, problem=f"{gap.isbn}: {problem}"), gap.key)


def _fill_columns(row: Book, found: Found, run: Run, import_run: Any, now: int) -> bool:
    columns = {name: getattr(row, name) for name in (*ENTRY_COLUMNS, "id", "state")}
    empty = {name: value for name, value in found.columns.items() if is_empty(name, columns[name])}
    values = fillable(columns, row.origins, empty)
    if not values:
        return False
    values["origins"] = noted(row.origins, values, run.job.source, now)
    before = {name: columns[name] for name in values}
    columns |= values
    [written] = update_books([{**columns, **derived_columns(columns)}], now)
    effect = import_runs.Effect(row.id, etag(row), etag_of(written["revision"], written["update_time"]), before)
    import_runs.remember(import_run, [], [effect], now)
    return True


def _note_asked(key: int, source: str, now: int) -> None:
    AskedBook.insert(book=key, source=source, ask_time=now).on_conflict(
        conflict_target=[AskedBook.book, AskedBook.source], update={AskedBook.ask_time: now}
    ).execute()
