"""Add a book of another catalogue, or fill what is empty in a book that is here already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import peewee

from admin_server.books.entries import MOST_COPIES, book_columns, derived_columns
from admin_server.books.messages import book_message
from admin_server.books.origins import fillable, noted
from admin_server.books.values import shown_value
from admin_server.books.writing import insert_books, locked_book, save_book
from admin_server.sources.catalogues import Catalogue, Catalogues
from admin_server.sources.failures import FetchFailed
from admin_server.sources.records import ExternalRecord, record_problems
from admin_server.sources.searching import chosen_catalogues
from admin_server.sources.values import shortened
from admin_server.store.models import HAS_ISBN, IN_CATALOGUE, Book
from admin_server.store.models import ExternalBook as ExternalBookRow
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_UPDATED,
    FieldChange,
)
from library.admin.v1.import_service_pb2 import ImportExternalBookRequest, ImportExternalBookResponse
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library_domain.book_fields import BOOK_FIELDS, FIELD_NAMES
from library_domain.errors import BookNotFound
from library_domain.import_errors import ExternalBookInvalid, ExternalBookNotFound, SourceUnavailable
from library_domain.isbn import normalized_isbn13
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid, StoreUnavailable
from service_kit.idempotency import earlier_answer, once
from service_kit.revisions import lock_revisions
from service_kit.store import Store
from service_kit.unreadable import readable
from service_kit.vocabulary import learn, learnable

TRIES = 10
"""How often an import begins again where another one adds the same book, or removes it, meanwhile."""

SHOWN_CHARACTERS = 200
"""Of a value in a `FieldChange`."""

AddCover = Callable[[book_pb2.Book, str], object]
"""Fetches and stores the cover at an address for a book that has none. It raises nothing if that fails."""


def import_external_book(
    store: Store,
    request: ImportExternalBookRequest,
    catalogues: Catalogues,
    clock: Clock,
    add_cover: AddCover = lambda book, address: None,
) -> ImportExternalBookResponse:
    """Look up a book, then add it or fill the one that is here. No source is asked within the transaction.

    Raises:
        FieldInvalid: See `check_import`; or the source is unknown, or the book would have too many copies.
        ExternalBookNotFound, ExternalBookInvalid, SourceNotSetUp, SourceUnavailable, ServerBusy: Nothing was changed.
    """
    check_import(request)
    first = earlier_answer(store, request, ImportExternalBookResponse)
    if first is not None:
        return first
    with catalogues.place():
        record = _looked_up(request, catalogues)
        _refuse_invalid(record, catalogues)
        response = _imported(store, request, record, clock)
        if record.cover_uri and not (response.book.cover_path or response.book.cover_uri):
            add_cover(response.book, record.cover_uri)
    return response


def check_import(request: ImportExternalBookRequest) -> None:
    """Raise `FieldInvalid` for a wrong ISBN, and for both or none of `external_id` and `isbn`."""
    wrong = []
    isbn = ""
    try:
        isbn = normalized_isbn13(request.isbn)
    except ValueError as error:
        wrong.append(("isbn", str(error)))
    if request.external_id and request.isbn:
        wrong.append(("external_id", "must not be set together with isbn"))
    elif not request.external_id and not isbn and not wrong:
        wrong.append(("isbn", "must be set, unless external_id is"))
    if request.external_id and not request.source:
        wrong.append(("source", "must be set for an external_id"))
    if wrong:
        raise FieldInvalid(*wrong)


def _looked_up(request: ImportExternalBookRequest, catalogues: Catalogues) -> ExternalRecord:
    """Return the record of the first source that has it. A source that fails does not stop the others."""
    isbn = normalized_isbn13(request.isbn)
    failed: tuple[Catalogue, FetchFailed] | None = None
    chosen = [catalogues.named(request.source)] if request.source else chosen_catalogues(catalogues, [])
    for catalogue in chosen:
        if request.external_id and not catalogue.source.is_id(request.external_id):
            raise FieldInvalid(("external_id", f"must have the form of an id of {catalogue.source.display_name}"))
        asker = catalogues.asker(catalogue, catalogues.settings.import_seconds)
        try:
            if isbn:
                record = catalogue.source.with_isbn(asker, isbn)
            else:
                record = catalogue.source.with_id(asker, request.external_id)
        except FetchFailed as failure:
            failed = failed or (catalogue, failure)
            continue
        if record is not None:
            return record
    if failed is not None:
        raise SourceUnavailable(source=failed[0].source.display_name, problem=failed[1].problem)
    raise ExternalBookNotFound(external_id=request.external_id or isbn)


def _refuse_invalid(record: ExternalRecord, catalogues: Catalogues) -> None:
    wrong = record_problems(record)
    if wrong:
        problem = "; ".join(f"{field}: {text}" for field, text in wrong[:5])
        source = catalogues.named(record.source).source.display_name
        raise ExternalBookInvalid(external_id=record.external_id, source=source, problem=shortened(problem, 500))


def _imported(
    store: Store, request: ImportExternalBookRequest, record: ExternalRecord, clock: Clock
) -> ImportExternalBookResponse:
    columns = book_columns(record.book)

    def work() -> ImportExternalBookResponse:
        isbn = str(columns["isbn"])
        book_id = _book_here(record, isbn)
        if not book_id:
            lock_revisions()  # new books are added one after the other: see GUARDED_TABLES
            if _book_here(record, isbn):
                raise _AddedMeanwhile
            return _added(request, record, columns, clock())
        return _filled(store, request, record, columns, book_id, clock)

    for _ in range(TRIES):
        try:
            return once(store, request, ImportExternalBookResponse, work, clock)
        except (_AddedMeanwhile, peewee.IntegrityError, BookNotFound):
            continue  # another call has added the book, or has removed it
    raise StoreUnavailable


class _AddedMeanwhile(Exception):
    """Another call has added the book between the look-up in the catalogue and the lock on the revisions."""


def _book_here(record: ExternalRecord, isbn: str) -> str:
    """Return the id of the book of the catalogue with this ISBN, or without one but from this record; or ""."""
    found = Book.get_or_none(Book.isbn == isbn, HAS_ISBN, IN_CATALOGUE) if isbn else None
    if found is not None:
        return str(found.id)
    row = ExternalBookRow.get_or_none(
        (ExternalBookRow.source == record.source) & (ExternalBookRow.external_id == record.external_id)
    )
    found = Book.get_or_none(Book.id == row.book_id, IN_CATALOGUE) if row is not None else None
    # A book that has an ISBN by now is another edition if the record has another one.
    return str(found.id) if found is not None and not (isbn and found.isbn) else ""


def _added(
    request: ImportExternalBookRequest, record: ExternalRecord, columns: Mapping[str, Any], now: int
) -> ImportExternalBookResponse:
    from_source = [name for name in FIELD_NAMES if name != "total_copies" and fillable({}, "{}", {name: columns[name]})]
    new = {**columns, "origins": noted("{}", from_source, record.source, now)}
    if request.HasField("copies"):
        new["total_copies"] = request.copies
    (row,) = insert_books([new], now)
    key = {"source": record.source, "external_id": record.external_id}
    ExternalBookRow.delete().where(
        (ExternalBookRow.source == record.source) & (ExternalBookRow.external_id == record.external_id)
    ).execute()  # of a book that was removed, or got another ISBN
    ExternalBookRow.insert(**key, book_id=row["id"]).execute()
    book = book_message(Book.get(Book.id == row["id"]))
    return ImportExternalBookResponse(book=book, result=IMPORT_RESULT_ADDED, source=record.source)


def _filled(
    store: Store,
    request: ImportExternalBookRequest,
    record: ExternalRecord,
    columns: Mapping[str, Any],
    book_id: str,
    clock: Clock,
) -> ImportExternalBookResponse:
    with readable("book", book_id):
        row = locked_book(store, book_id)
        if row.state == BOOK_STATE_REMOVED:
            raise BookNotFound(book_id=book_id)
        before = {name: getattr(row, name) for name in FIELD_NAMES}
        proposed = {name: columns[name] for name in FIELD_NAMES if name not in ("total_copies", "isbn")}
        if not row.isbn:
            proposed["isbn"] = columns["isbn"]
        filled = fillable(before, row.origins, proposed)
        changed = {name: value for name, value in filled.items() if value != before[name]}
        result = IMPORT_RESULT_UPDATED if changed else IMPORT_RESULT_ALREADY_THERE
        if request.HasField("copies"):
            if row.total_copies + request.copies > MOST_COPIES:
                problem = f"the book has {row.total_copies} already, and can have {MOST_COPIES} at most"
                raise FieldInvalid(("copies", problem))
            changed["total_copies"] = row.total_copies + request.copies
            result = result if result == IMPORT_RESULT_UPDATED else IMPORT_RESULT_COPIES_ADDED
        if changed:
            _save(row, changed, record.source, clock())
        response = ImportExternalBookResponse(book=book_message(row), result=result, source=record.source)
        response.changes.extend(_changes(before, changed))
    return response


def _save(row: Book, changed: Mapping[str, Any], source: str, now: int) -> None:
    from_source = [name for name in changed if name != "total_copies"]
    if from_source:
        row.origins = noted(row.origins, from_source, source, now)
    for name, value in changed.items():
        setattr(row, name, value)
    derived = derived_columns({name: getattr(row, name) for name in FIELD_NAMES})
    for name, value in derived.items():
        setattr(row, name, value)
    save_book(row, now, recounted="total_copies" in changed)
    learn(learnable(row.words.split()))


def _changes(before: Mapping[str, Any], changed: Mapping[str, Any]) -> list[FieldChange]:
    return [
        FieldChange(
            field=field.input_name,
            old_value=shortened(shown_value(field, before[field.name]), SHOWN_CHARACTERS),
            new_value=shortened(shown_value(field, changed[field.name]), SHOWN_CHARACTERS),
        )
        for field in BOOK_FIELDS
        if field.name in changed
    ]
