"""Sync, downwards: reads catalogue changes from the admin, page by page, and applies each with its cursor.

On `CURSOR_EXPIRED` the admin has lost its past. Then the whole catalogue is read anew, by mark and sweep: each row seen
gets the new generation, and those that were not seen are removed, but only after the last page, so patrons read and
borrow all the while.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import grpc
import peewee
from peewee import EXCLUDED

from frontend_server.store.models import NOTHING_IS_SURE, Book, Loan, SyncState, User
from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library_domain.errors import CursorExpired
from library_domain.search import book_words
from service_kit.channel import error_info
from service_kit.logs import logger
from service_kit.statements import Statement, slot
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.vocabulary import Learnt, learn

PAGE_SIZE = 1_000

Fetch = Callable[[ListCatalogChangesRequest], ListCatalogChangesResponse]

log = logger(__name__)

REPLICATED = (
    *("message", "title", "publisher", "publisher_key", "category", "category_key"),
    *("total_copies", "state", "words", "revision", "generation"),
)

_learnt: weakref.WeakKeyDictionary[peewee.Database, Learnt] = weakref.WeakKeyDictionary()
"""The words that this process has put into the vocabulary of a store."""

# The newest version wins, whatever comes twice or late. A new generation counts anew: the admin lost its revisions.
APPLY = Statement(
    Book.insert(id=slot("id"), on_loan=0, **{name: slot(name) for name in REPLICATED}).on_conflict(
        conflict_target=[Book.id],
        update={getattr(Book, name): getattr(EXCLUDED, name) for name in REPLICATED},
        where=(EXCLUDED.generation > Book.generation) | (EXCLUDED.revision > Book.revision),
    )
)


def pull(store: Store, fetch: Fetch) -> int:
    """Apply all that changed at the admin since the cursor; give how many changes that were.

    Raises `grpc.RpcError` when the admin does not answer; what was applied stays applied.
    """
    applied = 0
    while True:
        with store.reading():
            state = SyncState.get()
        try:
            page = fetch(ListCatalogChangesRequest(cursor=state.cursor, page_size=PAGE_SIZE, receipt=state.receipt))
        except grpc.RpcError as error:
            if not lost_its_past(error, state):
                raise
            begin_resync(store, state)
            continue
        if not apply_page(store, state, page):
            return applied  # another process of this store was quicker, and goes on from there
        applied += len(page.changes)
        if not page.has_more:
            return applied


def apply_page(store: Store, state: SyncState, page: ListCatalogChangesResponse) -> bool:
    """Apply a page and its cursor in one transaction; False, and nothing changed, if the cursor is not `state`'s."""
    ends_resync = state.resyncing and not page.has_more
    if not page.changes and not ends_resync and page.next_cursor == state.cursor:
        return True  # an idle poll writes nothing
    rows = [_replica_row(change, state.generation) for change in page.changes]
    learnt = _learnt.setdefault(store.database, Learnt())
    new_words = learnt.new(word for row in rows for word in row["words"].split(" "))
    with store.writing():
        # First, so that whoever comes second waits here and then finds the cursor moved.
        moved = SyncState.update(cursor=page.next_cursor, resyncing=state.resyncing and page.has_more).where(
            SyncState.cursor == state.cursor, SyncState.generation == state.generation
        )
        if not moved.execute():
            return False
        APPLY.many(rows)
        learn(new_words)
        swept = 0
        if ends_resync:
            if store.is_postgresql:  # which else plans by an empty table until it comes round to look
                store.database.execute_sql("ANALYZE book")
            swept = _sweep(state.generation)
    learnt.remember(new_words)
    if ends_resync:  # said when it is so, and not while the last page may yet be rolled back
        log.info("catalogue read anew", generation=state.generation, books_gone=swept)
    return True


def lost_its_past(error: grpc.RpcError, state: SyncState) -> bool:
    """Whether the admin says that it does not have the past which `state` stands for."""
    return error_info(error).reason == CursorExpired.reason and bool(state.cursor or state.receipt)


def begin_resync(store: Store, state: SyncState) -> None:
    """Begin to read the whole catalogue anew, and to tell the admin of every user and loan again.

    An admin that lost its catalogue's past has lost what it was told, too. The new generation also makes answers to
    pushes of before void: they came from the admin that is no more.
    """
    with store.writing():
        begun = SyncState.update(
            cursor="",
            receipt="",
            generation=SyncState.generation + 1,
            resyncing=True,
            start_revision=NOTHING_IS_SURE,
        ).where(SyncState.generation == state.generation)
        has_begun = bool(begun.execute())
        if has_begun:
            store.lift_time_limit()
            for model in (Loan, User):  # in the order of lending, so that the two do not wait for each other
                model.update(pushed_revision=0, park_reason="").execute()
    if has_begun:
        _learnt.pop(store.database, None)
        log.warning("the admin lost its past; reading the catalogue and telling users and loans anew")


def _replica_row(change: BookChange, generation: int) -> dict[str, Any]:
    book = change.book
    return {
        "id": book.id,
        "message": book.SerializeToString(),
        "title": book.title,
        "publisher": book.publisher,
        "publisher_key": text_key(book.publisher),
        "category": book.category,
        "category_key": text_key(book.category),
        "total_copies": book.total_copies,
        "state": book.state,
        "words": " ".join(book_words(book.title, book.authors, book.isbn)),
        "revision": change.revision,
        "generation": generation,
    }


def _sweep(generation: int) -> int:
    """Remove what the admin no longer has; give how many books that were."""
    unseen = (Book.generation < generation) & (Book.state != BOOK_STATE_REMOVED)
    swept: int = Book.update(state=BOOK_STATE_REMOVED, generation=generation).where(unseen).execute()
    return swept
