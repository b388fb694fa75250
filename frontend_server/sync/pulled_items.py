"""The replica of the admin's items, and the free copies of their books."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from frontend_server.store.models import Item
from frontend_server.sync.free_copies import count_free_copies, lock_books, wrong_counts
from frontend_server.sync.items_of_loans import LoanWithoutItem, assign_items, lock_loans_without_item
from frontend_server.sync.pulled_kind import AfterCommit, PulledKind, Row, upsert_newest
from frontend_server.sync.trials import Trials
from library.v1 import item_pb2
from library.v1.item_pb2 import (
    ITEM_STATE_IN_SERVICE,
    ITEM_STATE_MISSING,
    ITEM_STATE_ON_ORDER,
    ITEM_STATE_SET_ASIDE,
    ITEM_STATE_WITHDRAWN,
    ItemState,
)
from service_kit.ids import UUID
from service_kit.logs import logger
from service_kit.statements import InList, Statement, listed, tuples
from service_kit.store import Store
from service_kit.text.keys import text_key

STORED_TEXTS = ("barcode", "item_type", "branch")
BARCODE_MISSING = "the barcode is missing; the admin service could not read this item, or this frontend its message"
KNOWN_STATES = frozenset(
    {ITEM_STATE_IN_SERVICE, ITEM_STATE_SET_ASIDE, ITEM_STATE_ON_ORDER, ITEM_STATE_MISSING, ITEM_STATE_WITHDRAWN}
)
COLUMNS = ("book_id", "barcode", "item_type", "item_type_key", "branch", "state")

log = logger(__name__)

BOOKS_OF_ITEMS = Statement(Item.select(Item.id, Item.book_id).where(InList(Item.id, "ids")))


class _Before(NamedTuple):
    """What was stored before a page of items."""

    books: set[str]
    """The books of these items: as they were, and as they will be."""
    known: set[str]
    """The ids of the items that are not new."""
    loans: list[LoanWithoutItem]


class PulledItems(PulledKind):
    """Items. One whose newest version cannot be applied is not lent."""

    name = "item"
    model = Item
    upsert = upsert_newest(Item, COLUMNS)
    removal: ClassVar = {"state": ITEM_STATE_WITHDRAWN}
    salvaged_fields = ("id", "book_id", "state")

    def problems(self, item: item_pb2.Item) -> list[str]:
        """Return what is wrong with an item. Its book may be unknown here: it may arrive later."""
        found = [f"{name} contains a NUL character" for name in STORED_TEXTS if "\0" in getattr(item, name)]
        found += [f"the {name} is not a UUID" for name in ("id", "book_id") if not UUID.fullmatch(getattr(item, name))]
        if item.state not in KNOWN_STATES:
            found.append(f"unknown state {item.state}")
        if not item.barcode and item.state != ITEM_STATE_WITHDRAWN:
            found.append(BARCODE_MISSING)
        return found

    def columns(self, item: item_pb2.Item) -> Row:
        """Return what is searched or decided on, alongside the message."""
        return {
            "book_id": item.book_id,
            "barcode": item.barcode,
            "item_type": item.item_type,
            "item_type_key": text_key(item.item_type),
            "branch": item.branch,
            "state": item.state,
        }

    def prepare(self, store: Store, rows: Sequence[Row]) -> Callable[[], AfterCommit]:
        """Lock the loans without an item, and then the books, of these items, as they were and as they will be.

        Another frontend process may lend or take back an item meanwhile. With the books locked, it waits.
        """
        books = dict(BOOKS_OF_ITEMS.rows(ids=listed(Item, [row["id"] for row in rows])))
        new_books = {row["book_id"] for row in rows if row["id"] not in books}
        all_books = {*books.values(), *(row["book_id"] for row in rows)}
        loans = lock_loans_without_item(new_books)
        lock_books(all_books)
        if store.is_postgresql:  # some may have been made while this transaction waited for their books
            loans += lock_loans_without_item(new_books, besides=loans)
        return functools.partial(self._derive, store, rows, _Before(all_books, set(books), loans))

    def _derive(self, store: Store, rows: Sequence[Row], before: _Before) -> AfterCommit:
        pairs = assign_items([row for row in rows if row["id"] not in before.known], before.loans)
        count_free_copies(before.books)
        pairs.push()
        return self.write_derived(store, rows)

    def write_all_derived(self, trials: Trials | None = None) -> None:
        """Count the free copies of all books again. With `trials`, a book that the store refuses keeps its count."""
        wrong = wrong_counts()
        lock_books(wrong)
        if trials is None:
            count_free_copies(wrong)
            return
        for book_id in wrong:
            name = f"count free copies of {book_id}"
            if not trials.run(name, functools.partial(count_free_copies, [book_id])):
                log.error("free copies cannot be counted", book_id=book_id, reason=trials.reasons[name])

    def before_sweep(self, unseen: Any) -> None:
        """Lock the books of items that are about to be withdrawn."""
        lock_books({book_id for (book_id,) in tuples(Item.select(Item.book_id).where(unseen).distinct())})

    def restrict_older(self, newest: item_pb2.Item, trials: Trials, trial: str) -> None:
        """Write the state of the newest version; set the item aside if that one could be lent or is not known."""
        if not UUID.fullmatch(newest.id):
            return  # not an id of this store's rows
        may_be_lent = newest.state == ITEM_STATE_IN_SERVICE or newest.state not in KNOWN_STATES
        state = ITEM_STATE_SET_ASIDE if may_be_lent else newest.state
        trials.run(f"{trial} by both", functools.partial(_correct, newest.id, state)) or trials.run(
            f"{trial} by state", functools.partial(_update, newest.id, state=state)
        )


def _correct(item_id: str, state: ItemState.ValueType) -> None:
    row = Item.get_or_none(Item.id == item_id)
    if row is not None:
        item = item_pb2.Item.FromString(row.message)
        item.state = state
        _update(item_id, message=item.SerializeToString(), state=state)


def _update(item_id: str, **columns: object) -> None:
    books = [book_id for _, book_id in BOOKS_OF_ITEMS.rows(ids=listed(Item, [item_id]))]
    lock_books(books)
    # The revision stays that of the older version, so that the newest one is still newer when it is tried again.
    Item.update(**columns).where(Item.id == item_id).execute()
    count_free_copies(books)
