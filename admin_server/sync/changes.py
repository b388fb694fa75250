"""Sync, downwards: what changed in the catalogue since a cursor. docs/sync.md tells why it is made so."""

from __future__ import annotations

from typing import Any

import peewee

from admin_server.books.messages import CATALOG_COLUMNS, catalog_message
from admin_server.store.models import Book
from admin_server.sync.epochs import check_positions, current_epoch, position_revision, position_token
from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from service_kit.logs import logger
from service_kit.revisions import GREATEST_REVISION, head_revision
from service_kit.statements import Statement, slot
from service_kit.store import Store, is_unavailable

DEFAULT_PAGE_SIZE = 500
MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 1_000_000

COLUMNS = [*(getattr(Book, name) for name in CATALOG_COLUMNS), Book.revision]
CHANGED = Statement(
    Book.select(*COLUMNS)
    .where(Book.revision > slot("after"), Book.revision <= GREATEST_REVISION)
    .order_by(Book.revision)
    .limit(slot("limit"))
)
CHANGED_KEYS = Statement(
    Book.select(Book.revision, Book.id, Book.state, Book.total_copies)
    .where(Book.revision > slot("after"), Book.revision <= GREATEST_REVISION)
    .order_by(Book.revision)
    .limit(slot("limit"))
)
CHANGED_REVISIONS = Statement(
    Book.select(Book.revision, peewee.Value(None), peewee.Value(None), peewee.Value(None))
    .where(Book.revision > slot("after"), Book.revision <= GREATEST_REVISION)
    .order_by(Book.revision)
    .limit(slot("limit"))
)
CHANGED_ONE = Statement(Book.select(*COLUMNS).where(Book.revision == slot("revision")))

KNOWN_STATES = frozenset({BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED})
COPIES = range(2**31)

log = logger(__name__)


def list_catalog_changes(store: Store, request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
    """The newest state of the books that changed after the cursor, in the order of their revisions.

    Of a row that cannot be read, the change has what does not need to be converted: the frontend sets it aside, but
    knows whether the book may be lent.

    Raises `CursorExpired`, also for a receipt of a past that this store lacks: an admin that forgot loans is noticed
    though no book has changed.
    """
    check_positions(request)
    size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    with store.snapshot():  # the rows and the head are of one moment, so nothing lies unseen below the cursor
        after = position_revision(request.cursor, "cursor")
        position_revision(request.receipt, "receipt")
        head, epoch = head_revision(), current_epoch()
        changes = _changed(store, after, size + 1)
    response = ListCatalogChangesResponse()
    room = MAX_PAGE_BYTES
    for change in changes[:size]:
        room -= change.ByteSize()
        if room < 0 and response.changes:
            break
        response.changes.append(change)
    response.has_more = len(response.changes) < len(changes)
    reached = response.changes[-1].revision if response.has_more else head
    response.next_cursor = position_token(epoch.id, reached)
    return response


def _changed(store: Store, after: int, limit: int) -> list[BookChange]:
    """Read the books that changed, in the order of their revisions; one by one, where one of them cannot be read."""
    try:
        with store.database.atomic():
            return [_change(row) for row in CHANGED.rows(after=after, limit=limit)]
    except Exception as error:
        if is_unavailable(error):
            raise
    try:
        keys = CHANGED_KEYS.rows(after=after, limit=limit)
    except UnicodeDecodeError:
        keys = CHANGED_REVISIONS.rows(after=after, limit=limit)
    return [_change_alone(store, key) for key in keys]


def _change_alone(store: Store, key: tuple[Any, ...]) -> BookChange:
    revision, book_id, state, total_copies = key
    try:
        with store.database.atomic():
            [row] = CHANGED_ONE.rows(revision=revision)
            return _change(row)
    except Exception as error:
        if is_unavailable(error):
            raise
        log.error("book cannot be read", id=book_id, revision=revision, error=str(error))
    return BookChange(revision=int(revision), book=_what_can_be_read(book_id, state, total_copies))


def _what_can_be_read(book_id: Any, state: Any, total_copies: Any) -> book_pb2.Book:
    """Return what a damaged row says of a book. Where it does not say whether it may be lent, it may not."""
    return book_pb2.Book(
        id=book_id if isinstance(book_id, str) else repr(book_id)[:100],
        state=state if state in KNOWN_STATES else BOOK_STATE_UNAVAILABLE,
        total_copies=total_copies if isinstance(total_copies, int) and total_copies in COPIES else 0,
    )


def _change(row: tuple[Any, ...]) -> BookChange:
    return BookChange(revision=row[-1], book=catalog_message(row[:-1]))
