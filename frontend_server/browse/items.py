"""The items of a book, and an item by its barcode: the admin's message of each, with the place that it has here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee

from frontend_server.store.models import IS_OPEN_OF_ITEM, Book, Item, Loan
from library.access.v1.access_pb2 import ROLE_LIBRARIAN
from library.frontend.v1.circulation_service_pb2 import ListItemsRequest, LookupItemRequest, LookupItemResponse
from library.v1 import item_pb2, loan_pb2
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_STATE_WITHDRAWN
from library_domain.access.callers import ANYBODY, Caller
from library_domain.barcodes import normalized_barcode
from library_domain.errors import BarcodeNotFound
from service_kit.clock import is_time, timestamp
from service_kit.errors import FieldInvalid
from service_kit.paging import KEY, page, page_size, position, token_refused
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.unreadable import readable

Row = tuple[Any, ...]
DUE_TIME = Loan.select(Loan.due_time).where(Loan.item_id == Item.id, IS_OPEN_OF_ITEM)
COLUMNS = (Item.key, Item.message, Item.state, Item.place, Item.barcode, DUE_TIME)

LIST = Statement(
    Item.select(*COLUMNS)
    .where(
        Item.book_id == param("book_id"),
        Item.state != ITEM_STATE_WITHDRAWN,
        peewee.Tuple(Item.barcode, Item.key) > peewee.Tuple(param("barcode"), param("key")),
    )
    .order_by(Item.barcode, Item.key)
    .limit(param("limit"))
)
# The newest, because an item whose newest version is set aside may still have the barcode that another one got since.
LOOKUP = Statement(
    Item.select(*COLUMNS, Item.id, Book.title)
    .join(Book, peewee.JOIN.LEFT_OUTER, on=(Book.id == Item.book_id))
    .where(Item.barcode == param("barcode"))
    .order_by(Item.generation.desc(), Item.revision.desc())
    .limit(1)
)


def list_items(store: Store, request: ListItemsRequest, caller: Caller = ANYBODY) -> tuple[list[item_pb2.Item], str]:
    """Return a page of the items of a book in the order of their barcodes, and the token of the next page.

    Their notes are only for the staff.
    """
    barcode, key = _place(request)
    with store.reading():
        rows = LIST.rows(book_id=request.book_id, barcode=barcode, key=key, limit=page_size(request) + 1)
    show = _message if caller.role >= ROLE_LIBRARIAN else _without_note
    return page(request, rows, show, lambda row: f"{row[0]} {row[4]}")


def lookup_item(
    store: Store, request: LookupItemRequest, show_loan: Callable[[Loan], loan_pb2.Loan]
) -> LookupItemResponse:
    """Return an item with its open loan, as `show_loan` shows it. Raises `BarcodeNotFound` and `FieldInvalid`."""
    try:
        barcode = normalized_barcode(request.barcode)
    except ValueError as error:
        raise FieldInvalid(("barcode", str(error))) from error
    with store.snapshot(), readable("item", barcode):
        row = LOOKUP.row(barcode=barcode)
        if row is None:
            raise BarcodeNotFound(barcode=barcode)
        *columns, item_id, title = row
        answer = LookupItemResponse(item=_message(columns), book_title=title or "")
        loan = Loan.get_or_none(Loan.item_id == item_id, IS_OPEN_OF_ITEM)
        if loan is not None:
            answer.loan.CopyFrom(show_loan(loan))
    return answer


def _place(request: ListItemsRequest) -> tuple[str, int]:
    place = position(request)
    if not place:
        return "", 0
    key, _, barcode = place.partition(" ")
    if not KEY.fullmatch(key):
        raise token_refused()
    return barcode, int(key)


def _message(row: Row | list[Any]) -> item_pb2.Item:
    """Return an item as the desk sees it. Raises `ValueError` for a damaged row."""
    _, message, state, place, _, due_time = row
    item = item_pb2.Item.FromString(bytes(message))
    item.state, item.place = state, place
    if place == ITEM_PLACE_ON_LOAN and is_time(due_time):
        item.due_time.CopyFrom(timestamp(due_time))
    return item


def _without_note(row: Row) -> item_pb2.Item:
    item = _message(row)
    item.ClearField("note")
    return item
