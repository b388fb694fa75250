"""The copies of books, counted from their items: how many they are, and making and withdrawing items for a number.

The rows of the books are locked, so no other transaction changes their items meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import peewee

from admin_server.inventory.writing import insert_items, withdraw_items
from admin_server.store.models import NOT_WITHDRAWN, Book, Item
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from library_domain.errors import CopiesOnLoan
from service_kit.revisions import take_revisions
from service_kit.statements import Statement, param, tuples

_OF_BOOK = Item.book_id == Book.id
TOTAL = Item.select(peewee.fn.COUNT(Item.key)).where(_OF_BOOK, Item.state != ITEM_STATE_WITHDRAWN)
LENDABLE = Item.select(peewee.fn.COUNT(Item.key)).where(
    _OF_BOOK, (Item.state == ITEM_STATE_IN_SERVICE) | (Item.on_loan == 1)
)
"""Items that are in service or on loan. One that was set aside while it is on loan counts: its loan is subtracted."""

# A removed book keeps the number of copies that it had.
KEPT_TOTAL: Any = peewee.Case(None, [(Book.state == BOOK_STATE_REMOVED, Book.total_copies)], TOTAL)

COUNT_LENDABLE = Statement(Book.update(lendable_copies=LENDABLE).where(Book.id == param("id")))
COUNT_ALL = Statement(
    Book.update(
        total_copies=KEPT_TOTAL,
        lendable_copies=LENDABLE,
        update_time=param("update_time"),
        revision=param("revision"),
    ).where(Book.id == param("id"))
)


def add_copies(counts: Mapping[str, int], now: int) -> None:
    """Make as many items of each of these new books, by book id, as the books have copies."""
    insert_items([{"book_id": book_id} for book_id, count in counts.items() for _ in range(count)], now)


def set_copies(totals: Mapping[str, int], now: int) -> None:
    """Make or withdraw items of these books, by book id, so that they have these numbers of copies.

    Those that are not on loan are withdrawn, the newest first. `refuse_copies_out` checks that there are enough.
    """
    present = _present_items(totals)
    new, withdrawn = [], []
    for book_id, total in totals.items():
        keys = present.get(book_id, [])
        new += [{"book_id": book_id}] * (total - len(keys))
        surplus = len(keys) - total
        withdrawn += [key for key, is_out in reversed(keys) if not is_out][:surplus] if surplus > 0 else []
    insert_items(new, now)
    withdraw_items(withdrawn, now)
    count_lendable(totals)


def withdraw_all(book_ids: Collection[str], now: int) -> None:
    """Withdraw all items of books that have left the catalogue."""
    present = _present_items(book_ids)
    withdraw_items([key for keys in present.values() for key, _ in keys], now)
    count_lendable(book_ids)


def count_lendable(book_ids: Iterable[str]) -> None:
    """Count the items of these books that are in service or on loan."""
    ids = sorted(book_ids)
    if ids:
        COUNT_LENDABLE.many({"id": book_id} for book_id in ids)


def count_copies(book_id: str, now: int) -> None:
    """Count the copies of a book. Its entry changes, so it takes a revision."""
    COUNT_ALL.rows(id=book_id, update_time=now, revision=take_revisions())


def copies_out(book_id: str, on_loan: int) -> int:
    """Return how many of the copies of a book with this number of open loans are on loan, without withdrawn items."""
    withdrawn = Item.select().where(Item.book_id == book_id, Item.state == ITEM_STATE_WITHDRAWN, Item.on_loan == 1)
    return on_loan - withdrawn.count()


def refuse_copies_out(book: Book, total: int) -> None:
    """Raise `CopiesOnLoan` where more copies are on loan than a book would have."""
    if total >= min(book.total_copies, book.on_loan):
        return
    out = copies_out(book.id, book.on_loan)
    if total < out:
        raise CopiesOnLoan(book_id=book.id, copies_out=out, copies_free=max(0, book.total_copies - out))


def _present_items(book_ids: Collection[str]) -> dict[str, list[tuple[int, bool]]]:
    """Return the items of each of these books that are not withdrawn, oldest first: key, and whether it is on loan."""
    found: dict[str, list[tuple[int, bool]]] = {}
    if book_ids:
        query = Item.select(Item.book_id, Item.key, Item.on_loan).where(Item.book_id.in_(list(book_ids)), NOT_WITHDRAWN)
        for book_id, key, on_loan in tuples(query.order_by(Item.key)):
            found.setdefault(book_id, []).append((key, bool(on_loan)))
    return found
