"""Reading all facts of a check-out, with locks for one that is to be made, and without for one that is explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from frontend_server.circulation.borrowers import borrower_facts, borrower_id, loans_of_type, lock_users
from frontend_server.circulation.copies import book_facts, find_item, free_items, has_items, lock_book
from frontend_server.circulation.eligibility import (
    BookFacts,
    BorrowerFacts,
    CheckoutFacts,
    CheckoutPlan,
    ItemFacts,
    Refusal,
    Wish,
    checkout_plan,
)
from frontend_server.circulation.loans import open_loan_of_item
from frontend_server.circulation.policy import Policy
from frontend_server.store.models import IS_OPEN_OF_ITEM, Loan, lock_sync_state
from service_kit.errors import RowUnreadable
from service_kit.store import Store


class LoanChanged(Exception):
    """An item was lent, came back, or was given to another book before its book was locked: begin again."""


@dataclass(frozen=True)
class Reading:
    """The facts of a check-out, as far as they do not depend on which of several free items is lent."""

    book: BookFacts | None
    items: Sequence[ItemFacts]
    """The item that is asked for, or the free items of the book, one for each branch and type."""
    has_items: bool
    borrower: BorrowerFacts | None
    unreadable_user: Refusal | None = None
    loan: Loan | None = None
    """The open loan of the item that is asked for."""


def locked_reading(store: Store, wish: Wish, *, takes_back: bool) -> Reading:
    """Lock all rows on which a check-out depends, in the order of `LOCK_ORDER`, and read its facts.

    Args:
        store: The store, in a transaction that may write.
        wish: What is asked for.
        takes_back: Whether the item may be taken back from another user. Then two users are locked, and therefore the
            state of the sync before them.

    Raises:
        LoanChanged: See there.
    """
    if takes_back:
        lock_sync_state(store)
    item = find_item(wish.barcode) if wish.barcode else None
    loan = open_loan_of_item(store, item.id) if item else None
    book_id = item.book_id if item else wish.book_id
    lock_book(store, book_id)
    user_id = borrower_id(wish.user_id, wish.card_number)
    lock_users(store, user_id, *([loan.user_id] if loan and takes_back else []))
    reading = read(wish)
    now_loan = reading.loan
    if (loan and loan.id) != (now_loan and now_loan.id) or any(each.book_id != book_id for each in reading.items):
        raise LoanChanged
    return reading


def read(wish: Wish) -> Reading:
    """Read the facts of a check-out, within a transaction."""
    borrower, unreadable = _borrower(borrower_id(wish.user_id, wish.card_number))
    if not wish.barcode:
        book, items = book_facts(wish.book_id), free_items(wish.book_id)
        return Reading(book, items, bool(items) or has_items(wish.book_id), borrower, unreadable)
    item = find_item(wish.barcode)
    if item is None:
        return Reading(None, [], True, borrower, unreadable)
    loan: Loan | None = Loan.get_or_none(Loan.item_id == item.id, IS_OPEN_OF_ITEM)
    if loan:
        item = replace(item, due_time=loan.due_time)
    return Reading(book_facts(item.book_id), [item], True, borrower, unreadable, loan)


def best_plan(wish: Wish, reading: Reading, policy: Policy, now: int) -> tuple[CheckoutPlan, CheckoutFacts]:
    """Return the plan for the first item that can be lent, otherwise that for the first item, and its facts."""
    plans: list[tuple[CheckoutPlan, CheckoutFacts]] = []
    items: list[ItemFacts | None] = [*reading.items]
    for item in items or [None]:
        facts = CheckoutFacts(
            reading.book,
            item,
            reading.borrower,
            reading.has_items,
            reading.unreadable_user,
            partial(loans_of_type, reading.borrower.id) if reading.borrower else lambda _type_key: 0,
        )
        plan = checkout_plan(wish, facts, policy, now)
        if not plan.refusals:
            return plan, facts
        plans.append((plan, facts))
    return plans[0]


def _borrower(user_id: str) -> tuple[BorrowerFacts | None, Refusal | None]:
    try:
        return borrower_facts(user_id), None
    except RowUnreadable as unreadable:
        return None, unreadable
