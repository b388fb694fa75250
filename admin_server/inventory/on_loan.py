"""Which items are on loan, by the loans that the frontend has pushed."""

from __future__ import annotations

from collections.abc import Collection

import peewee

from admin_server.inventory.copies import count_lendable
from admin_server.store.models import Book, Item, Loan
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE
from service_kit.statements import Statement, param, tuples

OPEN_LOAN = Loan.select(Loan.key).where(Loan.item_id == Item.id, Loan.return_time.is_null())
IS_ON_LOAN = peewee.Case(None, [(peewee.fn.EXISTS(OPEN_LOAN), 1)], 0)

NOTE = Statement(Item.update(on_loan=IS_ON_LOAN).where(Item.id == param("id")))
LOCK_BOOK = Statement(Book.update(on_loan=Book.on_loan).where(Book.id == param("id")))


def note_items_on_loan(item_ids: Collection[str]) -> None:
    """Note whether these items are on loan. The row of the frontend is locked, so no other loan is recorded meanwhile.

    The place of an item is not in the feed, so this takes no revision.
    """
    if not item_ids:
        return
    ids = sorted(item_ids)
    books = tuples(Item.select(Item.book_id).distinct().where(Item.id.in_(ids)).order_by(Item.book_id))
    LOCK_BOOK.many({"id": book_id} for (book_id,) in books)
    NOTE.many({"id": item_id} for item_id in ids)
    # An item that is in service counts whether it is on loan or not.
    apart = Item.select(Item.book_id).where(Item.id.in_(ids), Item.state != ITEM_STATE_IN_SERVICE)
    count_lendable({book_id for (book_id,) in tuples(apart)})
