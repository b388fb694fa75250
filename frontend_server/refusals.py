"""The order in which the reasons for refusing a call are reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from library_domain.errors import (
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    CardNumberTaken,
    EmailTaken,
    LoanLimitReached,
    LoanOverdue,
    LoanReturned,
    NoCopyAvailable,
    RenewalLimitReached,
    UserClosed,
    UserEtagMismatch,
    UserHasLoans,
    UserNotActive,
    UserNotFound,
)
from service_kit.errors import RowUnreadable, ServiceError, combined

REFUSAL_ORDER: tuple[type[ServiceError], ...] = (
    *(BookNotFound, BookRemoved, BookUnavailable, NoCopyAvailable),
    *(LoanReturned, LoanOverdue, RenewalLimitReached),
    *(UserNotFound, RowUnreadable, UserClosed, UserNotActive, UserEtagMismatch, UserHasLoans, LoanLimitReached),
    *(CardNumberTaken, EmailTaken),
)
"""The first of a call's refusals in this order sets its status, reason and message.

First the book or the loan, then the user: another book can be chosen at once, but the account is the same for every
book. Of each, what is permanent comes before what can pass, so that nobody waits for a book that never comes back.
The contract states this order for each method, and docs/errors.md in general.
"""


def refused(refusals: Iterable[ServiceError]) -> ServiceError:
    """Return the error to raise for one refusal or more: the first in `REFUSAL_ORDER`, with all in its details."""
    return combined(sorted(refusals, key=lambda refusal: REFUSAL_ORDER.index(type(refusal))))


def raise_if_refused(refusals: Sequence[ServiceError]) -> None:
    """Raise the error for the refusals, if there are any."""
    if refusals:
        raise refused(refusals)
