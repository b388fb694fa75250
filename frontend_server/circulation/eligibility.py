"""Whether a loan can be made or renewed: pure functions of facts and rules, without a store or a clock.

Each function returns all refusals that apply, so that a client learns about all of them from one call. An empty list
means that the conditional updates of the use case succeed on the same facts; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from frontend_server.circulation.rules import LendingRules
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED
from library.v1.loan_pb2 import LOAN_STATE_OVERDUE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import (
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    LoanLimitReached,
    LoanOverdue,
    LoanReturned,
    NoCopyAvailable,
    RenewalLimitReached,
    UserClosed,
    UserNotActive,
    UserNotFound,
)
from library_domain.loans import loan_state
from service_kit.clock import rfc3339
from service_kit.errors import ServiceError

Refusal: TypeAlias = ServiceError


@dataclass(frozen=True)
class BookFacts:
    """The facts of a book on which a check-out depends."""

    state: int
    has_free_copy: bool
    next_available_time: int
    """When a copy is expected back; used only without a free copy. Microseconds since 1970."""


@dataclass(frozen=True)
class BorrowerFacts:
    """The facts of a user on which a check-out or a renewal depends."""

    state: int
    active_loan_count: int


@dataclass(frozen=True)
class CheckoutFacts:
    """The facts on which a check-out depends. An unknown book or user is None."""

    book_id: str
    book: BookFacts | None
    user_id: str
    borrower: BorrowerFacts | None


@dataclass(frozen=True)
class RenewalFacts:
    """The facts on which a renewal by `more_days` at the time `now` depends. An unknown user is None."""

    loan_id: str
    due_time: int
    return_time: int | None
    days: int
    renewal_count: int
    user_id: str
    borrower: BorrowerFacts | None
    more_days: int
    now: int


def eligibility(facts: CheckoutFacts, rules: LendingRules) -> list[Refusal]:
    """Return why the book cannot be lent to the user."""
    return [
        *book_refusals(facts.book_id, facts.book),
        *borrower_refusals(facts.user_id, facts.borrower, rules),
    ]


def renewal_eligibility(facts: RenewalFacts, rules: LendingRules) -> list[Refusal]:
    """Return why the loan cannot be renewed. A returned loan is neither overdue nor at its limits."""
    account = account_refusals(facts.user_id, facts.borrower)
    if facts.return_time is not None:
        return [LoanReturned(loan_id=facts.loan_id, return_time=rfc3339(facts.return_time)), *account]
    refusals: list[Refusal] = []
    if loan_state(facts.due_time, facts.return_time, facts.now) == LOAN_STATE_OVERDUE:
        refusals.append(LoanOverdue(loan_id=facts.loan_id, due_time=rfc3339(facts.due_time)))
    if facts.renewal_count >= rules.renewal_limit or facts.days + facts.more_days > rules.day_limit:
        limits = {"renewal_limit": rules.renewal_limit, "day_limit": rules.day_limit}
        refusals.append(RenewalLimitReached(loan_id=facts.loan_id, **limits))
    return refusals + account


def book_refusals(book_id: str, book: BookFacts | None) -> list[Refusal]:
    """Return why no copy of the book can be lent. Of a removed book there are no copies to wait for."""
    if book is None:
        return [BookNotFound(book_id=book_id)]
    if book.state == BOOK_STATE_REMOVED:
        return [BookRemoved(book_id=book_id)]
    refusals: list[Refusal] = []
    if book.state != BOOK_STATE_ACTIVE:
        refusals.append(BookUnavailable(book_id=book_id))
    if not book.has_free_copy:
        refusals.append(NoCopyAvailable(book_id=book_id, next_available_time=rfc3339(book.next_available_time)))
    return refusals


def borrower_refusals(user_id: str, borrower: BorrowerFacts | None, rules: LendingRules) -> list[Refusal]:
    """Return why the user cannot have one more loan."""
    refusals = account_refusals(user_id, borrower)
    if borrower and borrower.active_loan_count >= rules.loan_limit:
        refusals.append(LoanLimitReached(user_id=user_id, loan_limit=rules.loan_limit))
    return refusals


def account_refusals(user_id: str, borrower: BorrowerFacts | None) -> list[Refusal]:
    """Return why the user can neither borrow nor renew."""
    if borrower is None:
        return [UserNotFound(user_id=user_id)]
    if borrower.state == USER_STATE_ACTIVE:
        return []
    if borrower.state == USER_STATE_CLOSED:
        return [UserClosed(user_id=user_id)]
    return [UserNotActive(user_id=user_id, state=borrower.state)]
