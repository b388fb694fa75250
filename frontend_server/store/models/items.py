"""The replica of the items of books, and what follows from it for a book."""

from __future__ import annotations

import peewee

from frontend_server.store.models.books import Book
from library.v1.item_pb2 import ITEM_PLACE_ON_SHELF, ITEM_STATE_IN_SERVICE
from service_kit.columns import BytewiseCharField, BytewiseTextField, ReplicaColumns


class Item(ReplicaColumns):
    """The replica of an item: the admin's message as received, and the columns that queries and decisions need.

    Only the sync writes it, except `place`, which is the frontend's own. An item that the admin withdrew is kept.
    """

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()  # a serialized library.v1.Item
    book_id = peewee.CharField(36)
    # Not unique: two items can swap barcodes, and a page writes one after the other.
    barcode = BytewiseCharField(40, index=True)
    item_type = peewee.TextField()
    item_type_key = BytewiseTextField()  # by which types are compared: see service_kit.text.keys
    branch = peewee.CharField(40)
    state = peewee.SmallIntegerField()
    place = peewee.SmallIntegerField(
        default=ITEM_PLACE_ON_SHELF, constraints=[peewee.Default(f"{ITEM_PLACE_ON_SHELF}")]
    )

    class Meta:
        table_name = "item"


Item.add_index(Item.book_id, Item.barcode, Item.key, name="item_book_id_barcode_key")

IS_FREE = (Item.state == ITEM_STATE_IN_SERVICE) & (Item.place == ITEM_PLACE_ON_SHELF)
"""The condition for items that can be lent now."""

HAS_ITEMS = peewee.fn.EXISTS(Item.select(peewee.SQL("1")).where(Item.book_id == Book.id))
"""Whether an item of a book is known here. None is while the admin is of a version without items."""

# Not with `HAS_ITEMS`: for many books, PostgreSQL would read all items to hash their books.
FREE_COPIES = peewee.fn.COALESCE(
    Item.select(peewee.fn.SUM(peewee.Case(None, [(IS_FREE, 1)], 0))).where(Item.book_id == Book.id),
    peewee.Case(None, [(Book.on_loan < Book.total_copies, Book.total_copies - Book.on_loan)], 0),
)
"""The right value of `Book.free_copies`: the number of free items; without items, of the copies that are not out."""
