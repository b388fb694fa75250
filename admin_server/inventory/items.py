"""Librarians create, change and withdraw items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.inventory.copies import count_copies, count_lendable
from admin_server.inventory.entries import CHANGEABLE_FIELDS as FIELDS
from admin_server.inventory.entries import (
    batch_barcodes,
    check_batch,
    check_creation,
    check_update,
    item_columns,
)
from admin_server.inventory.listing import found_item
from admin_server.inventory.messages import due_times, etag, item_message
from admin_server.inventory.writing import insert_items, refuse_taken_barcodes
from admin_server.store.models import Book, Branch, Item
from library.admin.v1.inventory_service_pb2 import (
    BatchCreateItemsRequest,
    BatchCreateItemsResponse,
    CreateItemRequest,
    UpdateItemRequest,
    WithdrawItemRequest,
)
from library.v1 import item_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN
from library_domain.book_fields import limits
from library_domain.default_policy import MAIN_BRANCH
from library_domain.errors import BookNotFound, BookRemoved, ItemEtagMismatch, ItemIsOut, ItemWithdrawn
from service_kit.clock import Clock, rfc3339
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.idempotency import once
from service_kit.revisions import take_revisions
from service_kit.store import Store
from service_kit.unreadable import readable
from service_kit.validation import Rule, joined, problems_by

UNKNOWN_BRANCH = ("item.branch", "is not the code of a branch of the library")
MOST_COPIES = limits("copies").int32.lte


def create_item(store: Store, request: CreateItemRequest, clock: Clock) -> item_pb2.Item:
    """Create an item.

    Raises `FieldInvalid`, `BookNotFound`, `BookRemoved`, and `BarcodeTaken`.
    """
    _check(store, check_creation, request)
    columns = item_columns(request.item)

    def create() -> item_pb2.Item:
        [row] = _created(store, request.item.book_id, [columns], clock)
        return item_message(row)

    with readable("book", request.item.book_id):
        return once(store, request, item_pb2.Item, create, clock)


def batch_create_items(store: Store, request: BatchCreateItemsRequest, clock: Clock) -> BatchCreateItemsResponse:
    """Create the items of a request, all or none. Raises the errors of `create_item`."""
    _check(store, check_batch, request)
    columns = item_columns(request.item)
    items = [{**columns, "barcode": barcode} for barcode in batch_barcodes(request)]

    def create() -> BatchCreateItemsResponse:
        return BatchCreateItemsResponse(items=map(item_message, _created(store, request.item.book_id, items, clock)))

    with readable("book", request.item.book_id):
        return once(store, request, BatchCreateItemsResponse, create, clock)


def update_item(store: Store, request: UpdateItemRequest, clock: Clock) -> item_pb2.Item:
    """Change the fields that the mask names.

    Raises `FieldInvalid`, `ItemNotFound`, `ItemWithdrawn`, `BarcodeTaken`, and `ItemEtagMismatch` for an item that has
    changed since the request's etag.
    """
    _check(store, check_update, request)
    fields, _ = masked_fields(request.item, request.update_mask, FIELDS)
    changed = item_columns(request.item, fields)

    def update() -> item_pb2.Item:
        row = _locked_item(store, request.item.id, request.item.etag)
        if row.state == ITEM_STATE_WITHDRAWN:
            raise ItemWithdrawn(item_id=row.id, barcode=row.barcode)
        for name, value in changed.items():
            setattr(row, name, value)
        _save(row, clock())
        return item_message(row, due_times([row]).get(row.id))

    with readable("item", request.item.id):
        return once(store, request, item_pb2.Item, update, clock)


def withdraw_item(store: Store, request: WithdrawItemRequest, clock: Clock) -> item_pb2.Item:
    """Withdraw an item; one that is on loan only with `force`.

    Raises `ItemNotFound`, `ItemIsOut`, and `ItemEtagMismatch` for an item that has changed since the request's etag.
    """

    def withdraw() -> item_pb2.Item:
        row = _locked_item(store, request.id, request.etag)
        due_time = due_times([row]).get(row.id)
        if row.state != ITEM_STATE_WITHDRAWN:
            if row.on_loan and not request.force:
                raise ItemIsOut(barcode=row.barcode, due_time="" if due_time is None else rfc3339(due_time))
            row.state = ITEM_STATE_WITHDRAWN
            now = clock()
            _save(row, now)
            count_copies(row.book_id, now)
        return item_message(row, due_time)

    with readable("item", request.id):
        return once(store, request, item_pb2.Item, withdraw, clock)


def _check(store: Store, rule: Rule, request: Any) -> None:
    """Raise `FieldInvalid` with what is wrong by a rule, and for a branch that the library does not have."""
    mask = getattr(request, "update_mask", FieldMask(paths=["*"]))
    fields, _ = masked_fields(request.item, mask, FIELDS)
    found = problems_by([rule], request)
    code = item_columns(request.item, ["branch"])["branch"]
    # A branch is never deleted, so this can be asked before the transaction that writes the item.
    if "branch" in fields and code != MAIN_BRANCH:
        with store.reading():
            if not Branch.select().where(Branch.code == code).exists():
                found = joined(found, [UNKNOWN_BRANCH])
    if found:
        raise FieldInvalid(*found)


def _created(store: Store, book_id: str, items: Sequence[Mapping[str, object]], clock: Clock) -> list[Item]:
    book = store.locking(Book.select().where(Book.id == book_id)).first()
    if book is None:
        raise BookNotFound(book_id=book_id)
    if book.state == BOOK_STATE_REMOVED:
        raise BookRemoved(book_id=book_id)
    if book.total_copies + len(items) > MOST_COPIES:
        problem = f"has {book.total_copies} copies already, and can have {MOST_COPIES} at most"
        raise FieldInvalid(("item.book_id", problem))
    now = clock()
    rows = insert_items([{**item, "book_id": book_id} for item in items], now)
    count_copies(book_id, now)
    return [Item(**row, on_loan=0) for row in rows]


def _locked_item(store: Store, item_id: str, known_etag: str) -> Item:
    """Read the item, its book's row locked until the transaction ends: see docs/locks.md.

    Raises `ItemNotFound` and `ItemEtagMismatch`.
    """
    book_id = found_item(Item.id == item_id, item_id).book_id
    store.locking(Book.select().where(Book.id == book_id)).first()
    row = found_item(Item.id == item_id, item_id)
    if known_etag and known_etag != etag(row):
        raise ItemEtagMismatch(item_id=item_id)
    return row


def _save(row: Item, now: int) -> None:
    """Save an item with a revision of its own, and count what can be lent."""
    row.update_time = now
    row.revision = take_revisions()
    refuse_taken_barcodes([row.barcode], but=row.id)
    row.save()
    count_lendable([row.book_id])
