"""Sync, downwards: what changed in the catalogue since a cursor. docs/sync.md tells why it is made so."""

from __future__ import annotations

from typing import Any, NamedTuple

from admin_server.catalog import CatalogRow, catalog_message
from admin_server.epochs import check_positions, current_epoch, position_revision, position_token
from admin_server.store.models import Book
from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BookState
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
    Book.select(Book.revision, Book.id, Book.state)
    .where(Book.revision > slot("after"))
    .order_by(Book.revision)
    .limit(slot("limit"))
)
CHANGED_ONE = Statement(Book.select(*COLUMNS).where(Book.revision == slot("revision")))

log = logger(__name__)


class _Read(NamedTuple):
    """A book that changed; without a change where its row cannot be read."""

    revision: int
    change: BookChange | None


def list_catalog_changes(store: Store, request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
    """The newest state of the books that changed after the cursor, in the order of their revisions.

    A row that cannot be read is left out and logged as an error: the frontend gets the others.

    Raises `CursorExpired`, also for a receipt of a past that this store lacks: an admin that forgot loans is noticed
    though no book has changed.
    """
    check_positions(request)
    size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    with store.snapshot():  # the rows and the head are of one moment, so nothing lies unseen below the cursor
        after = position_revision(request.cursor, "cursor")
        position_revision(request.receipt, "receipt")
        head, epoch = head_revision(), current_epoch()
        rows = _changed(store, after, size + 1)
    response = ListCatalogChangesResponse()
    room = MAX_PAGE_BYTES
    taken = 0
    for row in rows[:size]:
        if row.change is not None:
            room -= row.change.ByteSize()
            if room < 0 and response.changes:
                break
            response.changes.append(row.change)
        taken += 1
    response.has_more = taken < len(rows)
    reached = rows[taken - 1].revision if response.has_more else head
    response.next_cursor = position_token(epoch.id, reached)
    return response


def _changed(store: Store, after: int, limit: int) -> list[_Read]:
    """Read the books that changed, in the order of their revisions; one by one, where one of them cannot be read."""
    try:
        with store.database.atomic():
            return [_read(row) for row in CHANGED.rows(after=after, limit=limit)]
    except Exception as error:
        if is_unavailable(error):
            raise
    return [_read_alone(store, *key) for key in CHANGED_KEYS.rows(after=after, limit=limit)]


def _read_alone(store: Store, revision: int, book_id: str, state: BookState.ValueType) -> _Read:
    try:
        with store.database.atomic():
            return _read(*CHANGED_ONE.rows(revision=revision))
    except Exception as error:
        if is_unavailable(error):
            raise
        log.error("book cannot be read, and is not sent", id=book_id, revision=revision, error=str(error))
    if state != BOOK_STATE_REMOVED:
        return _Read(revision, None)
    # Of a removed book nothing else matters. It must not be lent, whatever its row has come to.
    return _Read(revision, BookChange(revision=revision, book=book_pb2.Book(id=book_id, state=state)))


def _read(row: tuple[Any, ...]) -> _Read:
    columns = CatalogRow._make(row)
    return _Read(columns.revision, BookChange(revision=columns.revision, book=catalog_message(columns)))
