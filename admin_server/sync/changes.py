"""What changed in the catalogue since a cursor. docs/sync.md has the reasons."""

from __future__ import annotations

from typing import Any

from admin_server.sync.epochs import check_positions, current_epoch, decode_cursor, encode_cursor
from admin_server.sync.listed_kind import ListedKinds, Page
from admin_server.sync.listed_kinds import LISTED_KINDS
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest, ListCatalogChangesResponse
from service_kit.revisions import head_revision
from service_kit.store import Store

DEFAULT_PAGE_SIZE = 500
MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 1_000_000


def list_catalog_changes(store: Store, request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
    """Return the newest state of the rows that changed after the cursor, in the order of their revisions.

    Of a row that cannot be read, the change has what does not need to be converted: the frontend sets it aside, but
    knows whether the row may be used.

    Raises:
        CursorExpired: The cursor or the receipt is not valid for this store. An admin that forgot loans is noticed by
            the receipt, though no row of the catalogue has changed.
    """
    return page_of_changes(store, request, LISTED_KINDS)


def page_of_changes(store: Store, request: ListCatalogChangesRequest, kinds: ListedKinds[Page]) -> Page:
    """Return a page of changes to rows of these kinds, as `list_catalog_changes` does for those of the contract."""
    check_positions(request)
    size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    with store.snapshot():  # one moment for the rows and the head, so that no row below the cursor is missed
        after = decode_cursor(request.cursor, "cursor")
        decode_cursor(request.receipt, "receipt")
        head, epoch = head_revision(), current_epoch()
        rows = kinds.changed(store, after, size + 1)
    response: Any = kinds.page_type()
    room = MAX_PAGE_BYTES
    for row in rows[:size]:
        change = response.changes.add(revision=row.revision, **{row.kind: row.message})
        room -= change.ByteSize()
        if room < 0 and len(response.changes) > 1:
            del response.changes[-1]
            break
    response.has_more = len(response.changes) < len(rows)
    reached = response.changes[-1].revision if response.has_more else head
    response.next_cursor = encode_cursor(epoch.id, reached)
    page: Page = response
    return page
