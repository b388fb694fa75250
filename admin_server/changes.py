"""Sync, downwards: what changed in the catalogue since a cursor. docs/sync.md tells why it is made so."""

from __future__ import annotations

from admin_server.catalog import CatalogRow, catalog_message
from admin_server.epochs import check_positions, current_epoch, position_revision, position_token
from admin_server.store.models import Book
from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from service_kit.revisions import head_revision
from service_kit.statements import Statement, slot
from service_kit.store import Store

DEFAULT_PAGE_SIZE = 500
MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 1_000_000

CHANGED = Statement(
    Book.select(*[getattr(Book, name) for name in CatalogRow._fields])
    .where(Book.revision > slot("after"))
    .order_by(Book.revision)
    .limit(slot("limit"))
)


def list_catalog_changes(store: Store, request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
    """The newest state of the books that changed after the cursor, in the order of their revisions.

    Raises `CursorExpired`, also for a receipt of a past that this store lacks: an admin that forgot loans is noticed
    though no book has changed.
    """
    check_positions(request)
    size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    with store.snapshot():  # the rows and the head are of one moment, so nothing lies unseen below the cursor
        after = position_revision(request.cursor, "cursor")
        position_revision(request.receipt, "receipt")
        head, epoch = head_revision(), current_epoch()
        rows = [CatalogRow._make(row) for row in CHANGED.rows(after=after, limit=size + 1)]
    response = ListCatalogChangesResponse()
    room = MAX_PAGE_BYTES
    for row in rows[:size]:
        change = BookChange(revision=row.revision, book=catalog_message(row))
        room -= change.ByteSize()
        if room < 0 and response.changes:
            break
        response.changes.append(change)
    response.has_more = len(response.changes) < len(rows)
    reached = response.changes[-1].revision if response.has_more else head
    response.next_cursor = position_token(epoch.id, reached)
    return response
