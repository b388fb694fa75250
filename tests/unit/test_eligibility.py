"""The pure rules of lending: which refusals hold, and in which order they are reported."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frontend_server.circulation.due_times import due_time
from frontend_server.circulation.eligibility import (
    BookFacts,
    BorrowerFacts,
    CheckoutFacts,
    RenewalFacts,
    eligibility,
    renewal_eligibility,
)
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.members.eligibility import AccountFacts, change_refusals, closing_refusals
from frontend_server.refusals import REFUSAL_ORDER, raise_if_refused
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import BookUnavailable, LoanLimitReached, UserClosed
from service_kit.clock import DAY, SECOND
from service_kit.errors import ServiceError

RULES = LendingRules(loan_limit=3, daily_fine=DailyFine("EUR", 0))
NOW = 1_800_000_000 * SECOND
NEWER_STATE = 77

BOOK = BookFacts(BOOK_STATE_ACTIVE, has_free_copy=True, next_available_time=NOW)
BORROWER = BorrowerFacts(USER_STATE_ACTIVE, active_loan_count=2)
CHECKOUT = CheckoutFacts("b", BOOK, "u", BORROWER)
RENEWAL = RenewalFacts(
    loan_id="l",
    due_time=NOW,
    return_time=None,
    days=14,
    renewal_count=2,
    user_id="u",
    borrower=BORROWER,
    more_days=351,
    now=NOW,
)


def book(**fields: Any) -> CheckoutFacts:
    return replace(CHECKOUT, book=replace(BOOK, **fields))


def borrower(**fields: Any) -> CheckoutFacts:
    return replace(CHECKOUT, borrower=replace(BORROWER, **fields))


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        (CHECKOUT, []),
        (replace(CHECKOUT, book=None), ["BOOK_NOT_FOUND"]),
        (book(state=BOOK_STATE_REMOVED), ["BOOK_REMOVED"]),
        (book(state=BOOK_STATE_REMOVED, has_free_copy=False), ["BOOK_REMOVED"]),
        (book(state=BOOK_STATE_UNAVAILABLE), ["BOOK_UNAVAILABLE"]),
        (book(state=BOOK_STATE_UNAVAILABLE, has_free_copy=False), ["BOOK_UNAVAILABLE", "NO_COPY_AVAILABLE"]),
        (book(state=NEWER_STATE), ["BOOK_UNAVAILABLE"]),
        (book(has_free_copy=False), ["NO_COPY_AVAILABLE"]),
        (replace(CHECKOUT, borrower=None), ["USER_NOT_FOUND"]),
        (borrower(state=USER_STATE_CLOSED), ["USER_CLOSED"]),
        (borrower(state=NEWER_STATE), ["USER_NOT_ACTIVE"]),
        (borrower(active_loan_count=3), ["LOAN_LIMIT_REACHED"]),
        (borrower(state=USER_STATE_CLOSED, active_loan_count=4), ["USER_CLOSED", "LOAN_LIMIT_REACHED"]),
        (replace(CHECKOUT, book=None, borrower=None), ["BOOK_NOT_FOUND", "USER_NOT_FOUND"]),
        (
            replace(borrower(state=NEWER_STATE, active_loan_count=3), book=BookFacts(BOOK_STATE_ACTIVE, False, NOW)),
            ["NO_COPY_AVAILABLE", "USER_NOT_ACTIVE", "LOAN_LIMIT_REACHED"],
        ),
    ],
)
def test_all_reasons_against_a_loan_are_found(facts: CheckoutFacts, reasons: list[str]) -> None:
    assert [refusal.reason for refusal in eligibility(facts, RULES)] == reasons


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"now": NOW + 1}, ["LOAN_OVERDUE"]),
        ({"renewal_count": 3}, ["RENEWAL_LIMIT_REACHED"]),
        ({"more_days": 352}, ["RENEWAL_LIMIT_REACHED"]),
        ({"renewal_count": 3, "now": NOW + 1}, ["LOAN_OVERDUE", "RENEWAL_LIMIT_REACHED"]),
        ({"return_time": NOW}, ["LOAN_RETURNED"]),
        ({"return_time": NOW, "now": NOW + 1, "renewal_count": 3}, ["LOAN_RETURNED"]),
        ({"borrower": None}, ["USER_NOT_FOUND"]),
        ({"borrower": BorrowerFacts(USER_STATE_CLOSED, 0), "return_time": NOW}, ["LOAN_RETURNED", "USER_CLOSED"]),
        ({"borrower": BorrowerFacts(USER_STATE_ACTIVE, 3)}, []),  # a renewal is not one more loan
        (
            {"borrower": BorrowerFacts(NEWER_STATE, 3), "now": NOW + 1, "more_days": 352},
            ["LOAN_OVERDUE", "RENEWAL_LIMIT_REACHED", "USER_NOT_ACTIVE"],
        ),
    ],
)
def test_all_reasons_against_a_renewal_are_found(changes: dict[str, Any], reasons: list[str]) -> None:
    assert [refusal.reason for refusal in renewal_eligibility(replace(RENEWAL, **changes), RULES)] == reasons


@pytest.mark.parametrize(
    ("state", "loans", "etag", "against_change", "against_closing"),
    [
        (USER_STATE_ACTIVE, 0, "", [], []),
        (USER_STATE_ACTIVE, 0, "now", [], []),
        (NEWER_STATE, 2, "", [], ["USER_HAS_LOANS"]),
        (USER_STATE_ACTIVE, 2, "old", ["ETAG_MISMATCH"], ["ETAG_MISMATCH", "USER_HAS_LOANS"]),
        (USER_STATE_CLOSED, 0, "old", ["USER_CLOSED", "ETAG_MISMATCH"], ["ETAG_MISMATCH"]),
    ],
)
def test_all_reasons_against_a_change_of_an_account_are_found(
    state: int, loans: int, etag: str, against_change: list[str], against_closing: list[str]
) -> None:
    account = AccountFacts("u", state, loans, etag="now")
    assert [refusal.reason for refusal in change_refusals(account, etag)] == against_change
    assert [refusal.reason for refusal in closing_refusals(account, etag)] == against_closing


def test_the_first_refusal_in_the_order_is_raised_whichever_was_found_first() -> None:
    limit, closed, unavailable = (
        LoanLimitReached(user_id="u", loan_limit=3),
        UserClosed(user_id="u"),
        BookUnavailable(book_id="b"),
    )
    raise_if_refused([])
    with pytest.raises(ServiceError) as raised:
        raise_if_refused([limit, closed, unavailable])
    assert raised.value is unavailable
    assert unavailable.further == [closed, limit]


def test_the_contract_states_the_order_for_each_method() -> None:
    order = list(dict.fromkeys(error.reason for error in REFUSAL_ORDER))
    folder = Path(__file__).parents[2] / "protos/library/frontend/v1"
    text = "".join((folder / f"{name}_service.proto").read_text() for name in ("lending", "member"))
    stated = re.findall(r"in this order: ([^.]*)\.", text.replace("\n  // ", " "))
    assert len(stated) == 4
    for reasons in ([*re.findall(r"`([A-Z_]+)`", each)] for each in stated):
        assert len(reasons) > 1
        assert reasons == sorted(reasons, key=order.index)


def test_the_documentation_states_the_order() -> None:
    text = (Path(__file__).parents[2] / "docs/errors.md").read_text().partition("## Several reasons at once")[2]
    listed = re.findall(r"`([A-Z_]+)`", text[text.index("1. of the book") : text.index("The book or the loan comes")])
    assert listed == list(dict.fromkeys(error.reason for error in REFUSAL_ORDER))


def test_a_loan_is_due_after_its_days_of_24_hours() -> None:
    assert due_time(NOW, 2) == NOW + 2 * DAY
