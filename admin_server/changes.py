"""Sync, downwards: what changed in the catalogue since a cursor. docs/sync.md tells why it is made so."""

from __future__ import annotations

from typing import Any

from admin_server.catalog import CatalogRow, catalog_message
from admin_server.epochs import check_positions, current_epoch, position_revision, position_token
from admin_server.store.models import Book
from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1 import book_pb2
from service_kit.logs import logger
from service_kit.revisions import head_revision
from service_kit.statements import Statement, slot
from service_kit.store import Store, is_unavailable

DEFAULT_PAGE_SIZE = 500
MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 1_000_000

COLUMNS = [getattr(Book, name) for name in CatalogRow._fields]
CHANGED = Statement(
    Book.select(*COLUMNS).where(Book.revision > slot("after")).order_by(Book.revision).limit(slot("limit"))
)
CHANGED_KEYS = Statement(
    Book.select(Book.revision, Book.id, Book.state, Book.total_copies)
    .where(Book.revision > slot("after"))
    .order_by(Book.revision)
    .limit(slot("limit"))
)
CHANGED_ONE = Statement(Book.select(*COLUMNS).where(Book.revision == slot("revision")))

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
    return [_change_alone(store, key) for key in CHANGED_KEYS.rows(after=after, limit=limit)]


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
    return BookChange(revision=revision, book=book_pb2.Book(id=book_id, state=state, total_copies=total_copies))


def _change(row: tuple[Any, ...]) -> BookChange:
    columns = CatalogRow._make(row)
    return BookChange(revision=columns.revision, book=catalog_message(columns))
