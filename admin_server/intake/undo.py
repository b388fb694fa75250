"""Undo a run of an import, some books at a time, except books that were changed or lent since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import peewee

from admin_server.books.entries import derived_columns
from admin_server.books.messages import etag
from admin_server.books.writing import delete_covers, update_books
from admin_server.intake.given_barcodes import free_barcodes
from admin_server.store.models import Book, Frontend, ImportBook, ImportRun, Loan
from library.admin.v1.catalog_service_pb2 import (
    UNDO_RESULT_CHANGED_SINCE,
    UNDO_RESULT_LENT_SINCE,
    UNDO_RESULT_REMOVED,
    UNDO_RESULT_RESTORED,
    UNDO_RESULT_UNREADABLE,
    UndoImportRequest,
    UndoImportResponse,
    UndoOutcome,
    UndoResult,
)
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library_domain.book_fields import FIELD_NAMES
from library_domain.errors import ImportRunNotFound
from service_kit.clock import Clock
from service_kit.idempotency import once
from service_kit.ids import UUID
from service_kit.paging import page_rows, page_size, position, token_refused
from service_kit.revisions import head_revision
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import DAMAGE, read_rows, readable, report

MOST_BOOKS = 500
"""Books that are undone in one transaction: as many as a batch of the import commits."""

MOST_TITLE = 100
"""Characters of a title in an outcome."""


def undo_position(request: UndoImportRequest) -> str:
    """Return the book id after which the page begins, or "". Raises `FieldInvalid` for a token of another run."""
    after = position(_paged(request))
    if after and not UUID.fullmatch(after):
        raise token_refused()
    return after


def undo_import(store: Store, request: UndoImportRequest, clock: Clock) -> UndoImportResponse:
    """Undo the changes of a page of the books of a run.

    Raises `ImportRunNotFound`.
    """
    after = undo_position(request)

    def undo() -> UndoImportResponse:
        store.locking(Frontend.select()).first()  # before the books (see docs/locks.md): no loan is recorded meanwhile
        run = store.locking(ImportRun.select().where(ImportRun.id == request.run_id)).first()
        if run is None:
            raise ImportRunNotFound(run_id=request.run_id)
        now = clock()
        if run.undo_time is None:
            ImportRun.update(undo_time=now).where(ImportRun.key == run.key).execute()
        effects, token = _page_of_effects(request, run, after)
        return UndoImportResponse(outcomes=_undone(store, effects, now), next_page_token=token)

    with readable("import run", request.run_id):
        return once(store, request, UndoImportResponse, undo, clock)


def _paged(request: UndoImportRequest) -> UndoImportRequest:
    """Return the arguments that the token of a page is valid for. The request id differs from page to page."""
    return UndoImportRequest(
        run_id=request.run_id, page_size=min(request.page_size, MOST_BOOKS), page_token=request.page_token
    )


def _page_of_effects(request: UndoImportRequest, run: ImportRun, after: str) -> tuple[Sequence[ImportBook], str]:
    plain = _paged(request)
    query = ImportBook.select().where(ImportBook.run == run.key, ImportBook.book_id > after)
    rows = list(query.order_by(ImportBook.book_id).limit(page_size(plain) + 1))
    return page_rows(plain, rows, lambda row: 0, lambda row: row.book_id)


def _undone(store: Store, effects: Sequence[ImportBook], now: int) -> list[UndoOutcome]:
    ids = [effect.book_id for effect in effects]
    if not ids:
        return []
    books = _locked_books(store, ids)
    newest_loans = _newest_loans(ids)
    outcomes, columns, recounted, done = [], [], [], []
    for effect in effects:
        outcome = UndoOutcome(book_id=effect.book_id)
        book = books.get(effect.book_id)
        outcomes.append(outcome)
        if book is None or not _is_readable(effect):
            outcome.result = UNDO_RESULT_UNREADABLE
            continue
        outcome.title = book.title[:MOST_TITLE]
        outcome.result = _result(effect, book, newest_loans.get(book.id))
        if _is_to_be_done(effect, book, outcome.result):
            columns.append(_columns_before(effect, book))
            recounted += [book.id] if columns[-1]["total_copies"] != book.total_copies else []
        if outcome.result in (UNDO_RESULT_REMOVED, UNDO_RESULT_RESTORED):
            done.append(effect)
    before = head_revision()
    update_books(columns, now, recounted)
    delete_covers([book["id"] for book in columns if "cover_digest" in book])
    free_barcodes([str(book["id"]) for book in columns], before)
    if done:
        keys = [effect.book_id for effect in done]
        ImportBook.update(is_undone=1).where(ImportBook.run == effects[0].run, ImportBook.book_id.in_(keys)).execute()
    return outcomes


def _locked_books(store: Store, ids: Sequence[str]) -> dict[str, Book]:
    """Lock the rows of these books until the transaction ends; return those that can be read."""
    if store.is_postgresql:
        list(store.locking(Book.select(Book.id).where(Book.id.in_(ids)).order_by(Book.id)))
    books = {}
    for row in read_rows(Book.select().where(Book.id.in_(ids)), Book):
        try:
            if not isinstance(row, Book):
                raise row.error
            derived_columns(_columns(row))
        except DAMAGE as error:
            report("book", row.key, error)
        else:
            books[row.id] = row
    return books


def _is_readable(effect: ImportBook) -> bool:
    try:
        return isinstance(json.loads(effect.before), dict)
    except DAMAGE:
        return False


def _newest_loans(ids: Sequence[str]) -> dict[str, int]:
    """Return the borrow time of the newest loan of each of these books, as far as the frontend has reported."""
    query = Loan.select(Loan.book_id, peewee.fn.MAX(Loan.borrow_time)).where(Loan.book_id.in_(ids))
    return dict(tuples(query.group_by(Loan.book_id)))


def _result(effect: ImportBook, book: Book, newest_loan: int | None) -> UndoResult.ValueType:
    done = UNDO_RESULT_REMOVED if effect.is_added else UNDO_RESULT_RESTORED
    if effect.is_undone:
        return done
    if effect.is_added and book.state == BOOK_STATE_REMOVED:  # by a librarian: nothing is left to undo
        return done
    if effect.etag != etag(book):
        return UNDO_RESULT_CHANGED_SINCE
    if _is_in_use(effect, book, newest_loan):
        return UNDO_RESULT_LENT_SINCE
    return done


def _is_in_use(effect: ImportBook, book: Book, newest_loan: int | None) -> bool:
    """Return whether the undo would remove a book, or copies, that were lent since the run."""
    if effect.is_added:
        return newest_loan is not None or book.on_loan > 0
    copies: int = json.loads(effect.before).get("total_copies", book.total_copies)
    if copies >= book.total_copies:
        return False
    # The book has not changed since the run, so the time of its last change is that of the run.
    return book.on_loan > copies or (newest_loan is not None and newest_loan >= book.update_time)


def _is_to_be_done(effect: ImportBook, book: Book, result: UndoResult.ValueType) -> bool:
    if effect.is_undone or book.state == BOOK_STATE_REMOVED:
        return False
    return result in (UNDO_RESULT_REMOVED, UNDO_RESULT_RESTORED)


def _columns_before(effect: ImportBook, book: Book) -> dict[str, Any]:
    """Return the columns of a book before the run; a book that the run added keeps its entry, and is removed."""
    columns = _columns(book)
    if effect.is_added:
        columns["state"] = BOOK_STATE_REMOVED
    else:
        columns |= json.loads(effect.before)
    return {**columns, **derived_columns(columns)}


def _columns(book: Book) -> dict[str, Any]:
    return {name: getattr(book, name) for name in (*FIELD_NAMES, "origins", "state", "id")}
