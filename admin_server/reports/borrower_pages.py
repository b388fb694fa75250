"""Pages of users with books on loan. A page can end between two loans of a user, who can have more than fit on a page.

The next page then begins with the same user and the rest of the loans. A page's token names the user after whom the
next page begins, or the user and the loan: `user_id` or `user_id/key`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import peewee

from admin_server.store.models import Loan
from library.admin.v1.user_service_pb2 import Borrower, ListBorrowersRequest
from library.v1.loan_pb2 import Loan as LoanMessage
from library.v1.user_pb2 import User
from service_kit.paging import (
    KEY,
    MAX_PAGE_BYTES,
    ListRequest,
    next_page_token,
    page_size,
    position,
    token_refused,
)
from service_kit.unreadable import Damaged


@dataclass(frozen=True)
class BorrowerPageLimits:
    """Limits of a page, which may end between two loans of a user."""

    loans: int = 5_000
    """Loans on a page, and in memory for it."""
    page_bytes: int = MAX_PAGE_BYTES


LIMITS = BorrowerPageLimits()

_ITEM_BYTES = 8
"""Bytes that a message in a list adds to its own size, at most: its field number and its length."""


class BorrowerPosition(NamedTuple):
    """Where a page of borrowers begins."""

    user_id: str
    """The page begins after this user, or within the user's loans."""
    loan_key: int | None
    """The page begins after this loan; None when all of the user's loans were on earlier pages."""

    def is_after(self) -> peewee.Expression:
        """Return the condition for the loans of this page and of all later ones."""
        if self.loan_key is None:
            return Loan.user_id > self.user_id
        return (Loan.user_id >= self.user_id) & ((Loan.user_id > self.user_id) | (Loan.key > self.loan_key))


def borrower_position(request: ListRequest) -> BorrowerPosition:
    """Return where the page begins. Raises `FieldInvalid` for a token of another list."""
    user_id, slash, key = position(request).partition("/")
    if slash and not KEY.fullmatch(key):
        raise token_refused()
    return BorrowerPosition(user_id, int(key) if slash else None)


def borrower_page(
    request: ListBorrowersRequest,
    user_ids: Sequence[str],
    rows: Sequence[Loan | Damaged],
    user: Callable[[str], User],
    loan: Callable[[Loan | Damaged], LoanMessage | None],
    limits: BorrowerPageLimits,
) -> tuple[list[Borrower], str]:
    """Return a page, and the token of the next one.

    Args:
        request: Its page size counts users.
        user_ids: The users from the page's position on, in order; one more than the page size shows that there is a
            next page.
        rows: The loans of the first `page_size` users from the page's position on, in the order of users and keys; one
            more than `limits.loans` shows that there are more.
        user: Returns the user with an id.
        loan: Returns the loan of a row, or None where it cannot be shown.
        limits: Those of the page.
    """
    borrowers: list[Borrower] = []
    room = limits.page_bytes
    before: Loan | None = None
    for row in rows[: limits.loans]:
        message = loan(row)
        if message is None or isinstance(row, Damaged):
            continue
        begins = before is None or before.user_id != row.user_id
        borrower = Borrower(user=user(row.user_id)) if begins else borrowers[-1]
        if begins:
            room -= borrower.ByteSize() + _ITEM_BYTES
        room -= message.ByteSize() + _ITEM_BYTES
        if before is not None and room < 0:
            return borrowers, next_page_token(request, before.user_id if begins else _after(before))
        if begins:
            borrowers.append(borrower)
        borrower.loans.append(message)
        before = row
    size = page_size(request)
    if len(rows) > limits.loans:
        # Where none of these loans could be shown, the user's other loans are left out, too.
        return borrowers, next_page_token(request, user_ids[0] if before is None else _after(before))
    return borrowers, next_page_token(request, user_ids[size - 1]) if len(user_ids) > size else ""


def _after(loan: Loan) -> str:
    return f"{loan.user_id}/{loan.key}"
