"""What librarians ask for of items: those of imported books, which nobody borrows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1 import inventory_service_pb2 as inventory
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN, Item
from tests.soak.desk import Desk, Plan

MOST_ITEMS = 100
"""How many items a caller makes at most, besides those that come with a book."""


def _new_item(desk: Desk) -> Item | None:
    if not desk.ledger.imported or len(desk.items) >= MOST_ITEMS:
        return None
    return Item(book_id=desk.chance.choice(list(desk.ledger.imported)), shelf=f"Shelf {desk.chance.randint(1, 9)}")


def create_item(desk: Desk) -> Plan | None:
    item = _new_item(desk)
    if item is None:
        return None

    def check(made: Item) -> str:
        desk.items.append(made.id)
        return "" if (made.book_id, made.shelf) == (item.book_id, item.shelf) else f"created {made} for {item}"

    return Plan([inventory.CreateItemRequest(item=item)], check=check)


def create_items(desk: Desk) -> Plan | None:
    item, count = _new_item(desk), desk.chance.randint(1, 5)
    if item is None:
        return None

    def check(answer: Any) -> str:
        made = {each.id for each in answer.items}
        desk.items.extend(made)
        return "" if len(made) == count else f"created {answer}, not {count}"

    return Plan([inventory.BatchCreateItemsRequest(item=item, count=count)], check=check)


def update_item(desk: Desk) -> Plan | None:
    if not desk.items:
        return None
    item = Item(id=desk.chance.choice(desk.items), note=f"Note {desk.new_id()}")
    return Plan(
        [inventory.UpdateItemRequest(item=item, update_mask=FieldMask(paths=["note"]))],
        check=lambda now: "" if (now.id, now.note) == (item.id, item.note) else f"noted {now} for {item}",
    )


def withdraw_item(desk: Desk) -> Plan | None:
    """Withdraw an item, which this caller leaves alone from then on."""
    if not desk.items:
        return None
    chosen = desk.items.pop(desk.chance.randrange(len(desk.items)))
    return Plan(
        [inventory.WithdrawItemRequest(id=chosen)],
        check=lambda now: "" if now.state == ITEM_STATE_WITHDRAWN else f"not withdrawn: {now}",
    )


def get_item(desk: Desk) -> Plan | None:
    if not desk.items:
        return None
    chosen = desk.chance.choice(desk.items)
    return Plan(
        [inventory.GetItemRequest(id=chosen)], check=lambda now: "" if now.id == chosen else f"{now} for {chosen}"
    )


def look_up_recorded_item(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans, lambda loan: bool(loan.barcode))
    if entry is None:
        return None
    loan = entry.last
    return Plan(
        [inventory.LookupItemRequest(barcode=loan.barcode)],
        check=lambda now: "" if (now.id, now.book_id) == (loan.item_id, loan.book_id) else f"{now} for {loan}",
    )


ITEM_PLANS: dict[str, Callable[[Desk], Plan | None]] = {
    "CreateItem": create_item,
    "BatchCreateItems": create_items,
    "UpdateItem": update_item,
    "WithdrawItem": withdraw_item,
    "GetItem": get_item,
    "LookupItem": look_up_recorded_item,
}
"""By method of the admin's InventoryService: all but the list."""
