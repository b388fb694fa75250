"""The catalogue: librarians add, change, remove and look up books. Every change takes a revision for the frontend."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import peewee

from admin_server.store.models import HAS_ISBN, IN_CATALOGUE, NOT_BORROWABLE, Book, Loan
from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    ListBooksRequest,
    RemoveBookRequest,
    UpdateBookRequest,
)
from library.admin.v1.loan_service_pb2 import ListUnavailableBooksRequest
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library_domain.book_filters import BookFilter, book_filter, conditions, in_ranges
from library_domain.errors import BookNotFound, BookOnLoan, BookRemoved, EtagMismatch, IsbnTaken
from library_domain.isbn import normalized_isbn13
from library_domain.search import book_query, book_words
from library_domain.titles import title_identity, title_key
from service_kit.clock import Clock, is_time, timestamp
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.full_text import rows_with_words
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.paging import page, page_size, row_position
from service_kit.revisions import take_revisions
from service_kit.search import Place, search
from service_kit.statements import Statement, slot, tuples
from service_kit.store import Store
from service_kit.text.keys import text_key, tidied
from service_kit.unreadable import Damaged, read_rows, readable
from service_kit.validation import joined, problems, problems_by, shortened
from service_kit.vocabulary import learn, learnable

COPIED_FIELDS = (
    "title",
    "isbn",
    "publisher",
    "category",
    "language",
    "published_year",
    "page_count",
    "description",
    "cover_uri",
)
"""Fields of a book that are called the same in AddBookRequest, in Book and in the table, and hold one plain value."""

CHANGEABLE_FIELDS = (*COPIED_FIELDS, "authors", "total_copies", "state")

MOST_COPIES = 10_000
"""Of one book, as AddBookRequest has it."""


class CatalogRow(NamedTuple):
    """What `catalog_message` reads of a book, as a plain row: a first sync reads too many to make models of them."""

    id: str
    title: str
    authors: str
    isbn: str
    publisher: str
    category: str
    language: str
    published_year: int
    page_count: int
    description: str
    cover_uri: str
    total_copies: int
    state: int
    create_time: int
    update_time: int
    revision: int


INSERT = Statement(
    Book.insert(
        state=BOOK_STATE_ACTIVE,
        on_loan=0,
        **{name: slot(name) for name in (*COPIED_FIELDS, "authors", "total_copies", "words")},
        **{name: slot(name) for name in ("publisher_key", "category_key", "title_key")},
        **{name: slot(name) for name in ("id", "create_time", "update_time", "revision")},
    )
)
UPDATE = Statement(
    Book.update(
        **{name: slot(name) for name in (*COPIED_FIELDS, "authors", "total_copies", "words")},
        **{name: slot(name) for name in ("publisher_key", "category_key", "title_key")},
        **{name: slot(name) for name in ("state", "update_time", "revision")},
    ).where(Book.id == slot("id"))
)


def add_book(store: Store, request: AddBookRequest, clock: Clock) -> book_pb2.Book:
    """Add a book."""
    columns = book_columns(request)

    def add() -> book_pb2.Book:
        refuse_taken_isbn(columns["isbn"])
        (row,) = insert_books([columns], clock())
        return book_message(Book.get(Book.id == row["id"]))

    with _isbn_taken_meanwhile(store, columns["isbn"]):
        return once(store, request, book_pb2.Book, add, clock)


def get_book(store: Store, book_id: str) -> book_pb2.Book:
    """Get a book, removed or not."""
    with store.reading(), readable("book", book_id):
        row = Book.get_or_none(Book.id == book_id)
        if row is None:
            raise BookNotFound(book_id=book_id)
        return book_message(row, _expected_back([row]).get(row.id))


def list_books(store: Store, request: ListBooksRequest) -> tuple[list[book_pb2.Book], str]:
    """Return a page of the catalogue, oldest entry first, and the token of the next.

    With a query, whole words come first, then beginnings of words; typing errors where there is neither.
    """
    usable = Book.state == request.state if request.state else IN_CATALOGUE
    fits = book_filter(request.publisher, request.category)
    with store.reading():
        if request.query:
            rows = _searched(store, request, usable, fits)
        else:
            after, limit = row_position(request), page_size(request) + 1
            rows = [(None, row) for row in read_rows(in_ranges(Book, Book.select(), usable, fits, after, limit), Book)]
        return _book_page(request, [row for _, row in rows], [place for place, _ in rows])


def list_unavailable_books(store: Store, request: ListUnavailableBooksRequest) -> tuple[list[book_pb2.Book], str]:
    """A page of the books that cannot be borrowed now, and the token of the next."""
    query = Book.select().where(Book.key > row_position(request), NOT_BORROWABLE, IN_CATALOGUE).order_by(Book.key)
    with store.reading():
        return _book_page(request, read_rows(query.limit(page_size(request) + 1), Book))


def update_book(store: Store, request: UpdateBookRequest, clock: Clock) -> book_pb2.Book:
    """Change the fields that the mask names; with an etag only if the book is still as it was."""
    check_update(request)
    book = request.book
    fields, _ = masked_fields(book, request.update_mask, CHANGEABLE_FIELDS)

    def update() -> book_pb2.Book:
        row = _locked_book(store, book.id)
        if book.etag and book.etag != etag(row):
            raise EtagMismatch(book_id=book.id)
        if row.state == BOOK_STATE_REMOVED:
            raise BookRemoved(book_id=book.id)
        changed = changed_columns(row, book, fields)
        refuse_taken_isbn(changed["isbn"], but=row.id)
        for name, value in changed.items():
            setattr(row, name, value)
        row.update_time = clock()
        row.revision = take_revisions()
        row.save()
        learn(learnable(row.words.split()))
        return book_message(row, _expected_back([row]).get(row.id))

    with _isbn_taken_meanwhile(store, book.isbn, but=book.id), readable("book", book.id):
        return once(store, request, book_pb2.Book, update, clock)


def remove_book(store: Store, request: RemoveBookRequest, clock: Clock) -> book_pb2.Book:
    """Remove a book; one with copies out only with `withdraw`. Its row stays, for its loans and for the frontend."""

    def remove() -> book_pb2.Book:
        row = _locked_book(store, request.id)
        if row.state != BOOK_STATE_REMOVED:
            if row.on_loan and not request.withdraw:
                raise BookOnLoan(book_id=request.id, copies_out=row.on_loan)
            row.state = BOOK_STATE_REMOVED
            row.update_time = clock()
            row.revision = take_revisions()
            row.save()
        return book_message(row, _expected_back([row]).get(row.id))

    with readable("book", request.id):
        return once(store, request, book_pb2.Book, remove, clock)


def book_columns(request: AddBookRequest) -> dict[str, object]:
    """Return the columns of a new book, its texts tidied. Raises `FieldInvalid` for a wrong ISBN."""
    columns: dict[str, object] = {name: getattr(request, name) for name in COPIED_FIELDS}
    columns |= {name: tidied(text) for name, text in columns.items() if isinstance(text, str)}
    authors = [tidied(author) for author in request.authors]
    columns["isbn"] = checked_isbn(request.isbn)
    columns["authors"] = json.dumps(authors, ensure_ascii=False)
    columns["total_copies"] = request.copies if request.HasField("copies") else 1
    return {**columns, **derived_columns(columns)}


def derived_columns(columns: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of a book that are computed from the others: what it is found, filtered and matched by."""
    title, isbn, authors = str(columns["title"]), str(columns["isbn"]), json.loads(str(columns["authors"]))
    return {
        "words": " ".join(book_words(title, authors, isbn)),
        "publisher_key": text_key(str(columns["publisher"])),
        "category_key": text_key(str(columns["category"])),
        "title_key": title_key(title_identity(title, authors)),
    }


def checked_isbn(isbn: str) -> str:
    """Return the ISBN as thirteen digits, or "" for none. Raises `FieldInvalid`."""
    try:
        return normalized_isbn13(isbn)
    except ValueError as error:
        raise FieldInvalid(("isbn", str(error))) from error


def insert_books(books: Sequence[Mapping[str, object]], now: int) -> list[dict[str, Any]]:
    """Insert new books within the present transaction, each with a revision of its own; return their columns."""
    made_here = {"create_time": now, "update_time": now}
    rows = [{**made_here, "id": new_id(), **book} for book in books]
    return _write(INSERT, rows)


def update_books(books: Sequence[Mapping[str, object]], now: int) -> list[dict[str, Any]]:
    """Update books whose rows this transaction has locked, each with a revision of its own; return their columns.

    Args:
        books: All columns of `UPDATE`, but for time and revision.
        now: The time of the change, in microseconds since 1970.
    """
    return _write(UPDATE, [{**book, "update_time": now} for book in books])


def _write(statement: Statement, books: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if not books:
        return []
    first = take_revisions(len(books))
    rows = [{**book, "revision": first + place} for place, book in enumerate(books)]
    statement.many(rows)
    learn(learnable(word for row in rows for word in str(row["words"]).split()))
    return rows


def refuse_taken_isbn(isbn: object, but: str = "") -> None:
    """Raise `IsbnTaken` when a book of the catalogue, other than `but`, has this ISBN."""
    if isbn:
        holder = Book.get_or_none(Book.isbn == isbn, HAS_ISBN, IN_CATALOGUE, Book.id != but)
        if holder is not None:
            raise IsbnTaken(book_id=holder.id, isbn=isbn)


def check_isbn(request: AddBookRequest) -> None:
    """Raise `FieldInvalid` for a wrong ISBN."""
    checked_isbn(request.isbn)


def check_update(request: UpdateBookRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with an update: its mask, and the new values by AddBook's rules."""
    book = request.book
    fields, wrong = masked_fields(book, request.update_mask, CHANGEABLE_FIELDS)
    # What is not changed is filled in, so that an addition with the new values is judged by them alone.
    addition = AddBookRequest(title="A")
    fill(addition, book, fields)
    found = problems(addition)
    found = joined(found, problems_by([check_isbn], shortened(addition, found)))
    wrong += [("book." + field.replace("copies", "total_copies"), problem) for field, problem in found]
    if "state" in fields and book.state not in (BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE):
        wrong.append(("book.state", "must be BOOK_STATE_ACTIVE or BOOK_STATE_UNAVAILABLE; RemoveBook removes"))
    if wrong:
        raise FieldInvalid(*wrong)


def changed_columns(row: Book, book: book_pb2.Book, fields: Sequence[str]) -> dict[str, object]:
    """The columns after an update that `check_update` lets pass."""
    merged = AddBookRequest(authors=json.loads(row.authors), copies=row.total_copies)
    for name in COPIED_FIELDS:
        setattr(merged, name, getattr(row, name))
    fill(merged, book, fields)
    return {**book_columns(merged), "state": book.state if "state" in fields else row.state}


def fill(request: AddBookRequest, book: book_pb2.Book, fields: Iterable[str]) -> None:
    """Put these fields of a book into a request; all but the state, which it does not have."""
    for name in fields:
        if name == "authors":
            request.authors[:] = book.authors
        elif name == "total_copies":
            request.copies = book.total_copies
        elif name != "state":
            setattr(request, name, getattr(book, name))


def etag(row: Book) -> str:
    """Stands for a version of the entry. The time is in it, because a restored store gives revisions a second time."""
    return etag_of(row.revision, row.update_time)


def etag_of(revision: int, update_time: int) -> str:
    """Return the etag of an entry with this revision and time of its last change."""
    return f"{revision:x}-{update_time:x}"


def catalog_message(row: Book | CatalogRow) -> book_pb2.Book:
    """The book as the catalogue has it: what the frontend is told."""
    return book_pb2.Book(
        id=row.id,
        title=row.title,
        authors=json.loads(row.authors),
        isbn=row.isbn,
        publisher=row.publisher,
        category=row.category,
        language=row.language,
        published_year=row.published_year,
        page_count=row.page_count,
        description=row.description,
        cover_uri=row.cover_uri,
        total_copies=row.total_copies,
        state=book_pb2.BookState.ValueType(row.state),
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
    )


def book_message(row: Book, next_available_time: int | None = None) -> book_pb2.Book:
    """The book as librarians see it."""
    book = catalog_message(row)
    book.etag = etag(row)
    if row.state == BOOK_STATE_ACTIVE:
        book.available_copies = max(0, row.total_copies - row.on_loan)
    if next_available_time is not None and not book.available_copies:
        book.next_available_time.CopyFrom(timestamp(next_available_time))
    return book


def _expected_back(rows: Iterable[Book | Damaged]) -> dict[str, int]:
    """Return when those of these books that are out are expected back, by their ids; one query for all."""
    book_ids = [row.id for row in rows if isinstance(row, Book) and row.on_loan]
    if not book_ids:
        return {}
    query = (
        Loan.select(Loan.book_id, peewee.fn.MIN(Loan.due_time))
        .where(Loan.book_id.in_(book_ids), Loan.return_time.is_null())
        .group_by(Loan.book_id)
    )
    return {book_id: due_time for book_id, due_time in tuples(query) if is_time(due_time)}


def _searched(
    store: Store, request: ListBooksRequest, usable: Any, fits: BookFilter
) -> list[tuple[Place | None, Book | Damaged]]:
    """The rows of a page, and one more, each with its place."""

    def find(words: str, after: int, limit: int, *filters: Any) -> list[Book | Damaged]:
        query = Book.select().where(usable, *filters)
        return read_rows(rows_with_words(store.database, query, Book.key, Book.words, words, after).limit(limit), Book)

    hits = search(
        store.database,
        request,
        book_query(request.query),
        find=lambda words, after, limit: find(words, after, limit, *conditions(Book, fits)),
        is_known=lambda words: bool(find(words, 0, 1)),
    )
    return [(Place(phase, row.key), row) for phase, row in hits.rows]


def _book_page(
    request: ListBooksRequest | ListUnavailableBooksRequest,
    rows: Sequence[Book | Damaged],
    places: Sequence[Place | None] = (),
) -> tuple[list[book_pb2.Book], str]:
    """Return the books of a page, with the days when those that are out are expected back, and the next token."""
    expected = _expected_back(rows)
    by_key = dict(zip((row.key for row in rows), places, strict=False))
    return page(
        request,
        rows,
        lambda row: book_message(row, expected.get(row.id)),
        lambda row: by_key.get(row.key) or row.key,
    )


def _locked_book(store: Store, book_id: str) -> Book:
    """Read the book and lock its row until the transaction ends."""
    row: Book | None = store.locking(Book.select().where(Book.id == book_id)).first()
    if row is None:
        raise BookNotFound(book_id=book_id)
    return row


@contextmanager
def _isbn_taken_meanwhile(store: Store, isbn: object, but: str = "") -> Iterator[None]:
    """Turn the unique index's refusal into `IsbnTaken`: on PostgreSQL two calls can both look before either writes."""
    try:
        yield
    except peewee.IntegrityError:
        with store.reading():
            refuse_taken_isbn(normalized_isbn13(str(isbn)), but)
        raise
