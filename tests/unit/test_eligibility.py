"""The pure rules of lending: which refusals hold, and in which order they are reported."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.eligibility import (
    BookFacts,
    BorrowerFacts,
    CheckoutFacts,
    ItemFacts,
    Wish,
    checkout_plan,
)
from frontend_server.circulation.policy import PolicyDefaults, policy_of
from frontend_server.circulation.renewal_gates import RenewalFacts, renewal_plan
from frontend_server.circulation.renewals import OpenLoan
from frontend_server.members.eligibility import AccountFacts, change_refusals, closing_refusals
from frontend_server.refusals import REFUSAL_ORDER, in_order, raise_if_refused
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.item_pb2 import ITEM_STATE_MISSING, ITEM_STATE_SET_ASIDE, ITEM_STATE_WITHDRAWN
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import BookUnavailable, LoanLimitReached, UserClosed
from service_kit.clock import DAY, SECOND
from service_kit.errors import ServiceError
from tests.support.clocks import end_of_day
from tests.support.lending_terms import branch_in

NOW = 1_800_000_000 * SECOND
NEWER_STATE = 77

RULE = CirculationRule(id="r", most_days=28, renewal_limit=3)
BOOK = BookFacts("b", BOOK_STATE_ACTIVE)
ITEM = ItemFacts("i", "b", "BARCODE")
BORROWER = BorrowerFacts("u", USER_STATE_ACTIVE, active_loan_count=2)
BY_BOOK, BY_BARCODE = Wish(book_id="b", user_id="u"), Wish(barcode="BARCODE", user_id="u")
CHECKOUT = CheckoutFacts(BOOK, ITEM, BORROWER)
DUE = end_of_day(NOW, 14)
UTC = branch_in("UTC")
RENEWAL = RenewalFacts(OpenLoan("l", NOW, DUE, renewal_count=2), None, UTC, BORROWER)


def book(**fields: Any) -> CheckoutFacts:
    return replace(CHECKOUT, book=replace(BOOK, **fields))


def item(**fields: Any) -> CheckoutFacts:
    return replace(CHECKOUT, item=replace(ITEM, **fields))


def borrower(**fields: Any) -> CheckoutFacts:
    return replace(CHECKOUT, borrower=replace(BORROWER, **fields))


def reasons_against(wish: Wish, facts: CheckoutFacts, rule: CirculationRule = RULE) -> list[str]:
    policy = policy_of(PolicyDefaults(rule, loan_limit=3, machine_zone=UTC.zone))
    return [refusal.reason for refusal in in_order(checkout_plan(wish, facts, policy, NOW).refusals)]


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        (CHECKOUT, []),
        (replace(CHECKOUT, book=None, item=None), ["BOOK_NOT_FOUND"]),
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
        (replace(CHECKOUT, book=None, item=None, borrower=None), ["BOOK_NOT_FOUND", "USER_NOT_FOUND"]),
        (
            replace(borrower(state=NEWER_STATE, active_loan_count=3), book=replace(BOOK, has_free_copy=False)),
            ["NO_COPY_AVAILABLE", "USER_NOT_ACTIVE", "LOAN_LIMIT_REACHED"],
        ),
    ],
)
def test_all_reasons_against_a_loan_of_a_book_are_found(facts: CheckoutFacts, reasons: list[str]) -> None:
    assert reasons_against(BY_BOOK, facts) == reasons


@pytest.mark.parametrize(
    ("facts", "wish", "rule", "reasons"),
    [
        (CHECKOUT, {}, {}, []),
        (replace(CHECKOUT, item=None, book=None), {}, {}, ["ITEM_NOT_FOUND"]),
        (book(state=BOOK_STATE_REMOVED), {}, {}, ["BOOK_REMOVED"]),
        (book(state=BOOK_STATE_UNAVAILABLE), {}, {}, ["BOOK_UNAVAILABLE"]),
        (item(state=ITEM_STATE_SET_ASIDE), {}, {}, ["ITEM_NOT_LENDABLE"]),
        (item(state=ITEM_STATE_MISSING, due_time=NOW), {}, {}, ["ITEM_NOT_LENDABLE", "ITEM_ON_LOAN"]),
        (item(state=NEWER_STATE), {}, {}, ["ITEM_NOT_LENDABLE"]),
        (item(due_time=NOW), {}, {}, ["ITEM_ON_LOAN"]),
        (CHECKOUT, {}, {"lendable": False}, ["RULE_NOT_LENDABLE"]),
        (borrower(expire_time=NOW - DAY), {}, {}, ["MEMBERSHIP_EXPIRED"]),
        (borrower(expire_time=NOW - 1), {}, {}, []),  # its last day has not ended
        (borrower(blocked_until=NOW), {}, {}, []),
        (borrower(blocked_until=NOW + 1), {}, {}, ["USER_BLOCKED"]),
        (replace(CHECKOUT, loans_of_type=lambda _: 2), {}, {"item_type_limit": 3}, []),
        (replace(CHECKOUT, loans_of_type=lambda _: 3), {}, {"item_type_limit": 3}, ["ITEM_TYPE_LIMIT_REACHED"]),
        (CHECKOUT, {}, {"item_type_limit": 0}, ["ITEM_TYPE_LIMIT_REACHED"]),
        (CHECKOUT, {"days": 28}, {}, []),
        (CHECKOUT, {"days": 29}, {}, ["LOAN_TOO_LONG"]),
        (CHECKOUT, {"due_time": NOW + 28 * DAY}, {}, []),
        (CHECKOUT, {"due_time": NOW + 29 * DAY}, {}, ["LOAN_TOO_LONG"]),
        (CHECKOUT, {"due_time": NOW}, {}, ["DUE_TIME_PASSED"]),
        (
            replace(
                item(state=ITEM_STATE_WITHDRAWN, due_time=NOW),
                book=replace(BOOK, state=BOOK_STATE_UNAVAILABLE),
                borrower=BorrowerFacts("u", USER_STATE_CLOSED, 3, "", NOW - DAY, NOW + 1),
                loans_of_type=lambda _: 1,
            ),
            {"days": 29},
            {"lendable": False, "item_type_limit": 1, "term_fixed_date": date(2026, 1, 1)},
            [
                *("BOOK_UNAVAILABLE", "ITEM_NOT_LENDABLE", "ITEM_ON_LOAN", "RULE_NOT_LENDABLE", "USER_CLOSED"),
                *("MEMBERSHIP_EXPIRED", "USER_BLOCKED", "LOAN_LIMIT_REACHED", "ITEM_TYPE_LIMIT_REACHED"),
                *("LOAN_TOO_LONG", "DUE_TIME_PASSED"),
            ],
        ),
    ],
)
def test_all_reasons_against_a_loan_of_an_item_are_found(
    facts: CheckoutFacts, wish: dict[str, Any], rule: dict[str, Any], reasons: list[str]
) -> None:
    assert reasons_against(replace(BY_BARCODE, **wish), facts, replace(RULE, **rule)) == reasons


@pytest.mark.parametrize(
    ("facts", "wish", "now", "reasons"),
    [
        ({}, {}, NOW, []),
        ({}, {}, DUE + 1, ["LOAN_OVERDUE"]),
        ({"renewal_count": 3}, {}, NOW, ["RENEWAL_LIMIT_REACHED"]),
        ({}, {"days": 28}, NOW, []),
        ({}, {"days": 29}, NOW, ["LOAN_TOO_LONG"]),
        ({"renewal_count": 3}, {}, DUE + 1, ["LOAN_OVERDUE", "RENEWAL_LIMIT_REACHED"]),
        ({"return_time": NOW}, {}, NOW, ["LOAN_RETURNED"]),
        ({"return_time": NOW, "renewal_count": 3}, {"days": 29}, DUE + 1, ["LOAN_RETURNED"]),
        ({"borrower": None}, {}, NOW, ["USER_NOT_FOUND"]),
        (
            {"borrower": replace(BORROWER, state=USER_STATE_CLOSED), "return_time": NOW},
            {},
            NOW,
            ["LOAN_RETURNED", "USER_CLOSED"],
        ),
        ({"borrower": replace(BORROWER, active_loan_count=3)}, {}, NOW, []),  # a renewal is not one more loan
        ({"borrower": replace(BORROWER, blocked_until=NOW + 1)}, {}, NOW, ["USER_BLOCKED"]),
        (
            {"borrower": replace(BORROWER, expire_time=NOW - DAY)},
            {"due_time": DUE},
            NOW,
            ["MEMBERSHIP_EXPIRED", "DUE_TIME_UNCHANGED"],
        ),
        (
            {"borrower": replace(BORROWER, state=NEWER_STATE)},
            {"due_time": DUE + 1},
            DUE + 1,
            ["LOAN_OVERDUE", "USER_NOT_ACTIVE", "DUE_TIME_PASSED"],
        ),
    ],
)
def test_all_reasons_against_a_renewal_are_found(
    facts: dict[str, Any], wish: dict[str, Any], now: int, reasons: list[str]
) -> None:
    facts = dict(facts)
    loan = replace(RENEWAL.loan, renewal_count=facts.pop("renewal_count", 2))
    plan = renewal_plan(replace(BY_BOOK, **wish), replace(RENEWAL, loan=loan, **facts), RULE, now)
    assert [refusal.reason for refusal in in_order(plan.refusals)] == reasons


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
    text = "".join((folder / f"{name}_service.proto").read_text() for name in ("circulation", "lending", "member"))
    stated = re.findall(r"in this order: ([^.]*)\.", text.replace("\n  // ", " "))
    assert len(stated) == 7
    for reasons in ([*re.findall(r"`([A-Z_]+)`", each)] for each in stated):
        assert len(reasons) > 1
        assert reasons == sorted(reasons, key=order.index)


def test_the_documentation_states_the_order() -> None:
    text = (Path(__file__).parents[2] / "docs/errors.md").read_text().partition("## Several reasons at once")[2]
    listed = re.findall(
        r"`([A-Z_]+)`", text[text.index("1. of the book") : text.index("The book, the item or the loan comes")]
    )
    assert listed == list(dict.fromkeys(error.reason for error in REFUSAL_ORDER))
