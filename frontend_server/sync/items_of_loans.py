"""Which items the loans have that were made while no item of their book was known here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import peewee

from frontend_server.store.models import Item, Loan
from frontend_server.sync.pulled_kind import Row
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from service_kit.revisions import take_revisions
from service_kit.statements import InList, Statement, is_postgresql, listed, param


class LoanWithoutItem(NamedTuple):
    """An open loan without an item, whose row is locked."""

    key: int
    book_id: str


class Pairs(NamedTuple):
    """Loans, each with the item that it has from now on."""

    pairs: list[tuple[LoanWithoutItem, Row]]

    def push(self) -> None:
        """Write the items into the loans, with new revisions. Nothing may be locked after it."""
        if not self.pairs:
            return
        first = take_revisions(len(self.pairs))
        _SET_ITEM.many(
            {
                "key": loan.key,
                "item_id": row["id"],
                **{name: row[name] for name in ("barcode", "item_type", "branch")},
                "revision": first + place,
            }
            for place, (loan, row) in enumerate(self.pairs)
        )


_SET_ITEM = Statement(
    Loan.update(
        item_id=param("item_id"),
        barcode=param("barcode"),
        item_type=param("item_type"),
        branch=param("branch"),
        revision=param("revision"),
        park_reason="",
    ).where(Loan.key == param("key"))
)
_SET_ON_LOAN = Statement(Item.update(place=ITEM_PLACE_ON_LOAN).where(Item.id == param("item_id")))

_WITHOUT_ITEM = (
    Loan.select(Loan.key, Loan.book_id)
    .where(InList(Loan.book_id, "ids"), peewee.SQL("return_time IS NULL"), Loan.item_id == "")
    .order_by(Loan.key)
)
_FIND = Statement(_WITHOUT_ITEM)
_LOCK = Statement(_WITHOUT_ITEM.for_update())
_LOCK_UNLOCKED = Statement(_WITHOUT_ITEM.for_update(skip_locked=True))


def lock_loans_without_item(
    book_ids: Collection[str], besides: Sequence[LoanWithoutItem] | None = None
) -> list[LoanWithoutItem]:
    """Lock and return the open loans of these books without an item, oldest first.

    With `besides`, whose rows this transaction has locked before it locked the books, only the others. Those that
    another transaction has locked are left out: it may wait for a book.
    """
    if not book_ids:
        return []
    lock = (_LOCK if besides is None else _LOCK_UNLOCKED) if is_postgresql(Loan) else _FIND
    found = [LoanWithoutItem(*row) for row in lock.rows(ids=listed(Loan, book_ids))]
    return [loan for loan in found if loan not in (besides or ())]


def assign_items(new: Sequence[Row], loans: Sequence[LoanWithoutItem]) -> Pairs:
    """Choose an item of its book for each of the loans, oldest first, and write that these items are out.

    The items have to be new here: one that was here before is known to be on the shelf. Those in service come first.
    """
    if not loans:
        return Pairs([])
    items: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(new, key=lambda row: bool(row["state"] != ITEM_STATE_IN_SERVICE)):
        if row["state"] != ITEM_STATE_WITHDRAWN:
            items[row["book_id"]].append(row)
    pairs = [(loan, items[loan.book_id].pop(0)) for loan in loans if items[loan.book_id]]
    _SET_ON_LOAN.many({"item_id": row["id"]} for _, row in pairs)
    return Pairs(pairs)
