"""The items: the copies of the books."""

from __future__ import annotations

import peewee

from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from library_domain.barcodes import MOST_CHARACTERS
from library_domain.default_policy import MAIN_BRANCH
from service_kit.columns import BytewiseCharField, BytewiseTextField, FeedColumns

# With literals, not parameters: an engine uses a partial index only if the query contains its condition.
NOT_WITHDRAWN = peewee.SQL(f"state <> {ITEM_STATE_WITHDRAWN}")
NOT_IN_SERVICE = peewee.SQL(f"state <> {ITEM_STATE_IN_SERVICE}")
HAS_TYPE = peewee.SQL("item_type_key <> ''")
HAS_SHELF = peewee.SQL("shelf_key <> ''")


class Item(FeedColumns):
    """A copy of a book. A withdrawn one is kept for ever, for its loans and for the sync."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    book_id = peewee.CharField(36)
    barcode = BytewiseCharField(MOST_CHARACTERS, unique=True)
    item_type = peewee.TextField(default="")
    branch = BytewiseTextField(default=MAIN_BRANCH)
    call_number = peewee.TextField(default="")
    shelf = peewee.TextField(default="")
    state = peewee.SmallIntegerField(default=ITEM_STATE_IN_SERVICE)
    note = peewee.TextField(default="")
    price_currency = peewee.CharField(3, default="")  # empty: the price is unknown
    price_nanos = peewee.BigIntegerField(default=0)
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    # By which it is filtered: see service_kit.text.keys.
    item_type_key = BytewiseTextField(default="")
    shelf_key = BytewiseTextField(default="")
    on_loan = peewee.SmallIntegerField(default=0)  # 1 if the frontend has pushed an open loan of it

    class Meta:
        table_name = "item"
        indexes = ((("book_id", "key"), False), (("branch", "key"), False), (("create_time", "key"), False))


# Most items are in service, and of most libraries no item has a type or a shelf.
Item.add_index(Item.state, Item.key, where=NOT_IN_SERVICE, name="item_by_state")
Item.add_index(Item.item_type_key, Item.key, where=HAS_TYPE, name="item_by_type")
Item.add_index(Item.shelf_key, Item.key, where=HAS_SHELF, name="item_by_shelf")
