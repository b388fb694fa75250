"""Copies of books: reserving one with its item, releasing one, and the facts on which a refusal depends.

The row of the book is locked before the row of an item, also by the sync. So while a transaction has the book, no other
one changes which of its items are on loan.
"""

from __future__ import annotations

from typing import NamedTuple

import peewee

from frontend_server.circulation.current_policy import POLICY_VERSION
from frontend_server.circulation.eligibility import BookFacts, ItemFacts, Wish
from frontend_server.store.models import CAN_BE_BORROWED, FREE_COPIES, HAS_ITEMS, IS_FREE, Book, Item, Loan
from library.v1 import item_pb2
from library.v1.item_pb2 import (
    ITEM_PLACE_ON_LOAN,
    ITEM_PLACE_ON_SHELF,
    ITEM_STATE_IN_SERVICE,
)
from service_kit.clock import is_time
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store

RESERVE_COPY = Statement(
    Book.update(on_loan=Book.on_loan + 1, free_copies=Book.free_copies - 1)
    .where(Book.id == param("book_id"), CAN_BE_BORROWED)
    .returning(Book.title, Book.state, POLICY_VERSION)
)
# A copy without an item is free again, unless the items of the book are known: then they alone are counted. More copies
# than the book has can be out, after the admin has lowered their number.
RELEASE_COPY = Statement(
    Book.update(
        on_loan=Book.on_loan - 1,
        free_copies=peewee.Case(
            None,
            [
                (HAS_ITEMS, Book.free_copies),
                (Book.on_loan <= Book.total_copies, Book.total_copies - Book.on_loan + 1),
            ],
            0,
        ),
    ).where(Book.id == param("book_id"), Book.on_loan > 0)
)
COUNT_FREE_COPIES = Statement(Book.update(free_copies=FREE_COPIES).where(Book.id == param("book_id")))
COUNT_ONE_OUT = Statement(Book.update(on_loan=Book.on_loan + 1).where(Book.id == param("book_id")))
COUNT_ONE_FREE = Statement(Book.update(free_copies=Book.free_copies + 1).where(Book.id == param("book_id")))

ITEM_FACTS = (Item.id, Item.book_id, Item.barcode, Item.item_type, Item.branch, Item.state)
_Other = Item.alias()
FIRST_FREE = (
    _Other.select(_Other.key)
    .where(
        _Other.book_id == param("book_id"),
        _Other.state == ITEM_STATE_IN_SERVICE,
        _Other.place == ITEM_PLACE_ON_SHELF,
    )
    .order_by(_Other.barcode)
    .limit(1)
)
LEND_ITEM = Item.update(place=ITEM_PLACE_ON_LOAN)
TAKE_FREE_ITEM = Statement(LEND_ITEM.where(Item.key == FIRST_FREE, IS_FREE).returning(*ITEM_FACTS))
TAKE_ITEM = Statement(LEND_ITEM.where(Item.id == param("item_id"), IS_FREE).returning(*ITEM_FACTS))
SET_PLACE = Statement(
    Item.update(place=param("place"))
    .where(Item.id == param("item_id"), Item.place != param("place"))
    .returning(Item.state, Item.book_id)
)
# The newest, because an item whose newest version is set aside may still have the barcode that another one got since.
FIND_ITEM = Statement(
    Item.select(*ITEM_FACTS)
    .where(Item.barcode == param("barcode"))
    .order_by(Item.generation.desc(), Item.revision.desc())
    .limit(1)
)
FIND_ANY_ITEM = Statement(Item.select(Item.key).where(Item.book_id == param("book_id")).limit(1))
EXPECTED_BACK = Loan.select(peewee.fn.MIN(Loan.due_time)).where(
    Loan.book_id == param("book_id"), Loan.return_time.is_null()
)
FIND_FACTS = Statement(
    Book.select(Book.id, Book.state, Book.title, Book.free_copies > 0, EXPECTED_BACK).where(Book.id == param("book_id"))
)


class Reserved(NamedTuple):
    """A copy that was reserved, and the version of the policy by which it is lent."""

    book: BookFacts
    item: ItemFacts | None
    """None for a book of which no item is known."""
    policy_version: str


def reserved(wish: Wish) -> Reserved | None:
    """Reserve the copy that is asked for, or any free one of the book, together with its item.

    Returns None, with or without a change, if nothing is free.
    """
    wanted = find_item(wish.barcode) if wish.barcode else None
    if wish.barcode and wanted is None:
        return None
    book_id = wanted.book_id if wanted else wish.book_id
    row = RESERVE_COPY.row(book_id=book_id)
    if row is None:
        return None
    title, state, policy_version = row
    book = BookFacts(book_id, state, title)
    taken = TAKE_ITEM.row(item_id=wanted.id) if wanted else TAKE_FREE_ITEM.row(book_id=book_id)
    if taken is None:
        return None if wanted or has_items(book_id) else Reserved(book, None, policy_version or "")
    item = ItemFacts(*taken)
    if item.book_id != book_id:  # the admin moved it to another book meanwhile
        return None
    return Reserved(book, item, policy_version or "")


def find_item(barcode: str) -> ItemFacts | None:
    """Return the item with a barcode in its normal form, or None."""
    row = FIND_ITEM.row(barcode=barcode)
    return ItemFacts(*row) if row else None


def item_message(item_id: str) -> item_pb2.Item:
    """Return the message of an item in its present place."""
    [(message, state, place)] = tuples(Item.select(Item.message, Item.state, Item.place).where(Item.id == item_id))
    item = item_pb2.Item.FromString(bytes(message))
    item.state, item.place = state, place
    return item


def lock_book(store: Store, book_id: str) -> None:
    """Lock the row of a book until the transaction ends. Then no other one changes the places of its items."""
    if store.is_postgresql:
        list(store.locking(Book.select(Book.key).where(Book.id == book_id)).tuples())


def book_facts(book_id: str) -> BookFacts | None:
    """Return the facts of a book; None for an unknown one."""
    row = FIND_FACTS.row(book_id=book_id)
    if row is None:
        return None
    found_id, state, title, has_free_copy, expected_back = row
    return BookFacts(found_id, state, title, bool(has_free_copy), expected_back if is_time(expected_back) else None)


def has_items(book_id: str) -> bool:
    """Return whether an item of a book is known here."""
    return FIND_ANY_ITEM.row(book_id=book_id) is not None


def free_items(book_id: str) -> list[ItemFacts]:
    """Return the free items of a book in the order of their barcodes, one for each branch and type."""
    rows = tuples(Item.select(*ITEM_FACTS).where(Item.book_id == book_id, IS_FREE).order_by(Item.barcode))
    kinds: dict[tuple[str, str], ItemFacts] = {}
    for facts in (ItemFacts(*row) for row in rows):
        kinds.setdefault((facts.branch, facts.item_type), facts)
    return list(kinds.values())


class ItemMoved(Exception):
    """The admin moved an item that is on loan to another book. Both books have to be locked, after `sync_state`."""


def lend_copy(book_id: str, item_id: str, *, alone: bool) -> None:
    """Count a copy as out, with its item if it has one.

    Args:
        book_id: The book of the loan, which the caller has locked.
        item_id: The item; empty for a copy without one.
        alone: Whether `sync_state` is locked. Otherwise raises `ItemMoved` if the item is of another book by now.
    """
    COUNT_ONE_OUT.rows(book_id=book_id)
    moved = _move(book_id, item_id, ITEM_PLACE_ON_LOAN, alone=alone)
    for each in {book_id, moved[1] if moved else book_id}:
        COUNT_FREE_COPIES.rows(book_id=each)


def take_back_copy(book_id: str, item_id: str, *, alone: bool) -> None:
    """Count a copy as back, with its item if it has one, in any state of both. Takes what `lend_copy` takes."""
    RELEASE_COPY.rows(book_id=book_id)
    put_on_shelf(book_id, item_id, alone=alone)


def put_on_shelf(book_id: str, item_id: str, *, alone: bool) -> None:
    """Set the place of an item, and count it as free if it circulates. Takes what `lend_copy` takes."""
    moved = _move(book_id, item_id, ITEM_PLACE_ON_SHELF, alone=alone)
    if moved and moved[0] == ITEM_STATE_IN_SERVICE:
        COUNT_ONE_FREE.rows(book_id=moved[1])


def _move(book_id: str, item_id: str, place: int, *, alone: bool) -> tuple[int, str] | None:
    """Set the place of an item; return its state and its book, or None if it was there or there is no item."""
    row = SET_PLACE.row(item_id=item_id, place=place) if item_id else None
    if row is None:
        return None
    state, item_book_id = row
    if item_book_id != book_id and not alone:
        raise ItemMoved
    return state, item_book_id
