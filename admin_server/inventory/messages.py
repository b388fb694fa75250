"""An item as a message: for the sync, and for librarians."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import peewee

from admin_server.store.models import Item, Loan
from library.v1 import item_pb2
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_PLACE_ON_SHELF
from library_domain.money import set_amount
from service_kit.clock import is_time, timestamp
from service_kit.statements import tuples
from service_kit.unreadable import Damaged

FIELDS = ("id", "book_id", "barcode", "item_type", "branch", "call_number", "shelf", "note")
FEED_COLUMNS = (*FIELDS, "state", "create_time", "update_time", "price_currency", "price_nanos")
"""Columns that `feed_message` reads."""

_feed_values: Callable[[Item], tuple[Any, ...]] = attrgetter(*FEED_COLUMNS)


def etag(row: Item) -> str:
    """Return the etag of an item. It includes the time, as a store restored from a backup uses revisions again."""
    return f"{row.revision:x}-{row.update_time:x}"


def feed_message(row: Item | tuple[Any, ...]) -> item_pb2.Item:
    """Return the item as the frontend stores it.

    Args:
        row: A model, or the values of `FEED_COLUMNS`.
    """
    *values, state, create_time, update_time, currency, nanos = _feed_values(row) if isinstance(row, Item) else row
    item = item_pb2.Item(
        **dict(zip(FIELDS, values, strict=True)),
        state=int(state),  # type: ignore[arg-type]
        create_time=timestamp(create_time),
        update_time=timestamp(update_time),
    )
    if currency:
        set_amount(item.price, currency, nanos)
    return item


def item_message(row: Item, due_time: int | None = None) -> item_pb2.Item:
    """Return the item as librarians see it: with its etag, and where it is by the recorded loans."""
    item = feed_message(row)
    item.etag = etag(row)
    item.place = ITEM_PLACE_ON_LOAN if row.on_loan else ITEM_PLACE_ON_SHELF
    if due_time is not None:
        item.due_time.CopyFrom(timestamp(due_time))
    return item


def due_times(rows: Iterable[Item | Damaged]) -> dict[str, int]:
    """Return the due time of each of these items that is on loan, by item id; one query for all."""
    item_ids = [row.id for row in rows if isinstance(row, Item) and row.on_loan]
    if not item_ids:
        return {}
    query = (
        Loan.select(Loan.item_id, peewee.fn.MIN(Loan.due_time))
        .where(Loan.item_id.in_(item_ids), Loan.return_time.is_null())
        .group_by(Loan.item_id)
    )
    return {item_id: due_time for item_id, due_time in tuples(query) if is_time(due_time)}
