"""Librarians look up items."""

from __future__ import annotations

from typing import Any

from admin_server.inventory.entries import checked_barcode
from admin_server.inventory.messages import due_times, item_message
from admin_server.store.models import HAS_SHELF, HAS_TYPE, NOT_IN_SERVICE, NOT_WITHDRAWN, Item
from library.admin.v1.inventory_service_pb2 import ListItemsRequest, LookupItemRequest
from library.v1 import item_pb2
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_UNSPECIFIED
from library_domain.errors import BarcodeNotFound, ItemNotFound
from service_kit.clock import micros
from service_kit.errors import FieldInvalid
from service_kit.message_checks import message_problems
from service_kit.paging import page, page_size, row_position
from service_kit.store import Store
from service_kit.text.invisible import stripped
from service_kit.text.keys import text_key
from service_kit.unreadable import read_rows, readable

LAST_CHARACTER = "\U0010ffff"


def get_item(store: Store, item_id: str) -> item_pb2.Item:
    """Return an item, also a withdrawn one. Raises `ItemNotFound`."""
    with store.reading(), readable("item", item_id):
        return _shown(found_item(Item.id == item_id, item_id))


def lookup_item(store: Store, request: LookupItemRequest) -> item_pb2.Item:
    """Return the item with a barcode, also a withdrawn one. Raises `FieldInvalid` and `BarcodeNotFound`."""
    barcode = checked_barcode(request.barcode)
    with store.reading(), readable("item", barcode):
        row = Item.get_or_none(Item.barcode == barcode)
        if row is None:
            raise BarcodeNotFound(barcode=barcode)
        return _shown(row)


def found_item(condition: Any, item_id: str) -> Item:
    """Return the item that meets a condition. Raises `ItemNotFound`."""
    row: Item | None = Item.get_or_none(condition)
    if row is None:
        raise ItemNotFound(item_id=item_id)
    return row


def check_list(request: ListItemsRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with a request for a list, in addition to the contract's rules."""
    wrong = message_problems(request)
    try:
        _order(request)
    except FieldInvalid as error:
        wrong += error.problems
    if wrong:
        raise FieldInvalid(*wrong)


def list_items(store: Store, request: ListItemsRequest) -> tuple[list[item_pb2.Item], str]:
    """Return a page of items, oldest entry first, and the token of the next.

    With a prefix of the barcode they are in the order of barcodes, with `created_after` in that of their times.
    """
    check_list(request)
    behind, columns = _order(request)
    query = Item.select().where(*_conditions(request), *behind).order_by(*columns).limit(page_size(request) + 1)
    with store.reading():
        rows = read_rows(query, Item)
        expected = due_times(rows)
    return page(request, rows, lambda row: item_message(row, expected.get(row.id)), lambda row: row.key)


def _conditions(request: ListItemsRequest) -> list[Any]:
    conditions: list[Any] = [_of_state(request.state)]
    if request.book_id:
        conditions.append(Item.book_id == request.book_id)
    if branch := request.branch.strip():
        conditions.append(Item.branch == branch)
    if key := text_key(request.item_type):
        conditions += [HAS_TYPE, Item.item_type_key == key]
    if key := text_key(request.shelf):
        conditions += [HAS_SHELF, Item.shelf_key == key]
    if request.HasField("created_after"):
        conditions.append(Item.create_time >= micros(request.created_after))
    if prefix := _prefix(request):
        conditions.append(Item.barcode.between(prefix, prefix + LAST_CHARACTER))
    return conditions


def _of_state(state: int) -> Any:
    if state == ITEM_STATE_UNSPECIFIED:
        return NOT_WITHDRAWN
    is_state = Item.state == state
    return is_state if state == ITEM_STATE_IN_SERVICE else NOT_IN_SERVICE & is_state


def _prefix(request: ListItemsRequest) -> str:
    return stripped(request.barcode_prefix).upper()


def _order(request: ListItemsRequest) -> tuple[list[Any], list[Any]]:
    """Return the conditions for the rows behind the page's position, and the columns of the order.

    Raises `FieldInvalid` for a page token of another list.
    """
    after = row_position(request)
    if _prefix(request):
        return [Item.barcode > _at(after, Item.barcode)] if after else [], [Item.barcode]
    if not request.HasField("created_after"):
        return [Item.key > after], [Item.key]
    order = [Item.create_time, Item.key]
    if not after:
        return [], order
    create_time = _at(after, Item.create_time)
    return [Item.create_time >= create_time, (Item.create_time > create_time) | (Item.key > after)], order


def _at(key: int, column: Any) -> Any:
    """Return the query for the value of a column in the row with this key."""
    row: Any = Item.alias()
    return row.select(getattr(row, column.name)).where(row.key == key)


def _shown(row: Item) -> item_pb2.Item:
    return item_message(row, due_times([row]).get(row.id))
