"""Write items. Each change takes a revision, so that the frontend receives it.

The caller has locked the rows of the books. New barcodes are written only while the counter is locked, so no other
transaction can take one between the look-up and the insert.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from admin_server.store.models import Item
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from library_domain.barcodes import item_barcode
from library_domain.default_policy import MAIN_BRANCH
from library_domain.errors import BarcodeTaken
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.series import take_numbers
from service_kit.statements import Statement, param, tuples

ENTRY: Mapping[str, object] = {
    "barcode": "",
    "item_type": "",
    "item_type_key": "",
    "branch": MAIN_BRANCH,
    "call_number": "",
    "shelf": "",
    "shelf_key": "",
    "state": ITEM_STATE_IN_SERVICE,
    "note": "",
    "price_currency": "",
    "price_nanos": 0,
}
"""Columns that librarians write, with the values of a new item. Without a barcode it gets one of the series."""

INSERT = Statement(
    Item.insert(
        on_loan=0,
        **{name: param(name) for name in (*ENTRY, "id", "book_id", "create_time", "update_time", "revision")},
    )
)
WITHDRAW = Statement(
    Item.update(state=ITEM_STATE_WITHDRAWN, update_time=param("update_time"), revision=param("revision")).where(
        Item.key == param("key")
    )
)
BARCODES_FROM_TO = Statement(Item.select(Item.barcode).where(Item.barcode.between(param("first"), param("last"))))


def insert_items(items: Sequence[Mapping[str, object]], now: int) -> list[dict[str, Any]]:
    """Insert items within the present transaction, each with a revision of its own; return their columns.

    Args:
        items: Of each the column `book_id`, and those of `ENTRY` that differ from its values.
        now: The time of the change, in microseconds since 1970.

    Raises:
        BarcodeTaken: Items with some of the barcodes exist.
    """
    if not items:
        return []
    first = take_revisions(len(items))
    rows = [
        {**ENTRY, "id": new_id(), **item, "create_time": now, "update_time": now, "revision": first + place}
        for place, item in enumerate(items)
    ]
    given = {str(row["barcode"]) for row in rows} - {""}
    refuse_taken_barcodes(given)
    without = [row for row in rows if not row["barcode"]]
    for row, barcode in zip(without, _free_barcodes(len(without), given), strict=True):
        row["barcode"] = barcode
    INSERT.many(rows)
    return rows


def withdraw_items(keys: Collection[int], now: int) -> None:
    """Withdraw the items with these keys, each with a revision of its own."""
    if keys:
        first = take_revisions(len(keys))
        WITHDRAW.many(
            {"key": key, "update_time": now, "revision": first + place} for place, key in enumerate(sorted(keys))
        )


def refuse_taken_barcodes(barcodes: Iterable[str], but: str = "") -> None:
    """Raise `BarcodeTaken` where items other than the one with the id `but` have some of these barcodes."""
    wanted = sorted(barcodes)
    if not wanted:
        return
    query = Item.select(Item.barcode).where(Item.barcode.in_(wanted), Item.id != but)
    taken = {barcode for (barcode,) in tuples(query)}
    if taken:
        raise BarcodeTaken.of([barcode for barcode in wanted if barcode in taken])


def _free_barcodes(count: int, given: Collection[str]) -> list[str]:
    """Return the next barcodes of the series that no item has, and that are not among the given ones."""
    found: list[str] = []
    while len(found) < count:
        barcodes = [item_barcode(number) for number in take_numbers(count - len(found))]
        # Barcodes of the series have one length, so no other than a given one is in the range.
        taken = {barcode for (barcode,) in BARCODES_FROM_TO.rows(first=barcodes[0], last=barcodes[-1])}
        found += [barcode for barcode in barcodes if barcode not in taken and barcode not in given]
    return found
