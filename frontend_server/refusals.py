"""The order in which the reasons for refusing a call are reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from library_domain.errors import (
    BarcodeNotFound,
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    CardNotFound,
    CardNumberTaken,
    DueTimePassed,
    DueTimeUnchanged,
    EmailTaken,
    ItemNotFound,
    ItemNotLendable,
    ItemNotOnLoan,
    ItemOnLoan,
    ItemTypeLimitReached,
    LoanLimitReached,
    LoanOverdue,
    LoanReturned,
    LoanTooLong,
    MembershipExpired,
    NoCopyAvailable,
    RenewalLimitReached,
    RenewalTooEarly,
    RuleNotLendable,
    UserBlocked,
    UserClosed,
    UserEtagMismatch,
    UserHasLoans,
    UserNotActive,
    UserNotFound,
)
from service_kit.errors import RowUnreadable, ServiceError, combined

REFUSAL_ORDER: tuple[type[ServiceError], ...] = (
    *(ItemNotFound, BarcodeNotFound, BookNotFound, BookRemoved, BookUnavailable, NoCopyAvailable),
    *(ItemNotLendable, ItemOnLoan, RuleNotLendable),
    *(ItemNotOnLoan, LoanReturned, LoanOverdue, RenewalLimitReached, RenewalTooEarly),
    *(UserNotFound, CardNotFound, RowUnreadable, UserClosed, UserNotActive, UserEtagMismatch, UserHasLoans),
    *(CardNumberTaken, EmailTaken),
    *(MembershipExpired, UserBlocked, LoanLimitReached, ItemTypeLimitReached),
    *(LoanTooLong, DueTimeUnchanged, DueTimePassed),
)
"""The first of a call's refusals in this order sets its status, reason and message.

First the book, the item or the loan, then the user, then the time: another book can be chosen at once, but the account
is the same for every book. Of each, what is permanent comes before what can pass, so that nobody waits for a book that
never comes back.
The contract states this order for each method, and docs/errors.md in general.
"""


def refused(refusals: Iterable[ServiceError]) -> ServiceError:
    """Return the error to raise for one refusal or more: the first in `REFUSAL_ORDER`, with all in its details."""
    return combined(in_order(refusals))


def raise_if_refused(refusals: Sequence[ServiceError]) -> None:
    """Raise the error for the refusals, if there are any."""
    if refusals:
        raise refused(refusals)


def in_order(refusals: Iterable[ServiceError]) -> list[ServiceError]:
    """Return the refusals in `REFUSAL_ORDER`."""
    return sorted(refusals, key=lambda refusal: REFUSAL_ORDER.index(type(refusal)))
