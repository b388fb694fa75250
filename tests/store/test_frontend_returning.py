"""Books come back, loans are renewed, and loans are listed, on both engines."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from google.type.money_pb2 import Money

from frontend_server.circulation.loans import list_loans
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library.v1.loan_pb2 import (
    LOAN_STATE_ACTIVE,
    LOAN_STATE_OVERDUE,
    LOAN_STATE_RETURNED,
    LOAN_STATE_UNSPECIFIED,
)
from library_domain.errors import (
    LoanNotFound,
    LoanOverdue,
    LoanReturned,
    RenewalLimitReached,
)
from service_kit.clock import DAY, SECOND, rfc3339, timestamp
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from tests.support.clocks import SettableClock, end_of_day
from tests.support.frontend import LocalFrontend, refused

# --- returning ---


def test_who_is_late_owes_a_fine(frontend: LocalFrontend, clock: SettableClock) -> None:
    book, user = frontend.book(), frontend.user()
    for late, fine in (
        (-14 * DAY, None),
        (0, None),
        (SECOND - 1, None),
        (SECOND, Money(currency_code="EUR", nanos=200_000_000)),
        (DAY, Money(currency_code="EUR", nanos=200_000_000)),
        (DAY + SECOND, Money(currency_code="EUR", nanos=400_000_000)),
        (30 * DAY, Money(currency_code="EUR", units=6)),
        (1_000 * DAY, Money(currency_code="EUR", units=200)),
    ):
        loan = frontend.borrow(book.id, user.id, 14)
        clock.now = end_of_day(clock.now, 14) + late

        returned = frontend.bring_back(loan.id)

        loan.state = LOAN_STATE_RETURNED
        loan.return_time.CopyFrom(timestamp(clock.now))
        if fine is not None:
            loan.fine.CopyFrom(fine)
            loan.fine_so_far.CopyFrom(fine)
        assert returned == loan
        clock.advance(days=100)
        assert frontend.loan(loan.id) == loan, "what is owed does not grow any more"


def test_a_loan_comes_back_once(frontend: LocalFrontend, clock: SettableClock) -> None:
    book = frontend.book(copies=2)
    loan, _ = frontend.borrow(book.id, frontend.user().id), frontend.borrow(book.id, frontend.user().id)
    frontend.bring_back(loan.id)
    returned_at = clock.now
    clock.advance(days=30)

    metadata = refused(frontend, LoanReturned, frontend.bring_back, loan.id)

    assert metadata == {"loan_id": loan.id, "return_time": rfc3339(returned_at)}


def test_what_was_never_lent_does_not_come_back(frontend: LocalFrontend) -> None:
    frontend.borrow(frontend.book().id, frontend.user().id)
    nothing = new_id()
    for call in (frontend.bring_back, frontend.loan, partial(frontend.renew, days=7)):
        assert refused(frontend, LoanNotFound, call, nothing) == {"loan_id": nothing}


# --- renewing ---


def test_a_renewal_moves_the_due_time_by_its_days(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    clock.now = end_of_day(clock.now, 14)  # the very moment when it is due

    renewed = frontend.renew(loan.id, 7)

    loan.days, loan.renewal_count = 21, 1
    loan.due_time.CopyFrom(timestamp(end_of_day(clock.now, 7)))
    assert renewed == loan
    assert frontend.loan(loan.id) == loan


def test_a_loan_is_renewed_three_times(frontend: LocalFrontend) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 1)
    assert [frontend.renew(loan.id, 1).renewal_count for _ in range(3)] == [1, 2, 3]
    metadata = refused(frontend, RenewalLimitReached, frontend.renew, loan.id, 1)
    assert metadata == {"loan_id": loan.id, "renewal_limit": "3", "day_limit": "365"}


def test_a_loan_lasts_at_most_365_days_with_its_renewals(frontend: LocalFrontend) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    refused(frontend, RenewalLimitReached, frontend.renew, loan.id, 352)
    assert frontend.renew(loan.id, 351).days == 365
    refused(frontend, RenewalLimitReached, frontend.renew, loan.id, 1)


def test_what_is_overdue_is_not_renewed(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    due = end_of_day(clock.now, 14)
    clock.now = due + 1
    metadata = refused(frontend, LoanOverdue, frontend.renew, loan.id, 7)
    assert metadata == {"loan_id": loan.id, "due_time": rfc3339(due)}


def test_a_loan_is_renewed_up_to_its_due_time(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    clock.now = end_of_day(clock.now, 14)
    assert frontend.renew(loan.id, 7).days == 21


def test_a_loan_at_its_due_time_is_refused_for_its_renewals_and_not_as_overdue(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    for _ in range(3):
        frontend.renew(loan.id, 7)
    clock.now = end_of_day(clock.now, 35)
    refused(frontend, RenewalLimitReached, frontend.renew, loan.id, 7)
    clock.now += 1
    refused(frontend, LoanOverdue, frontend.renew, loan.id, 7)


def test_what_has_come_back_is_not_renewed(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    frontend.bring_back(loan.id)
    metadata = refused(frontend, LoanReturned, frontend.renew, loan.id, 7)
    assert metadata == {"loan_id": loan.id, "return_time": rfc3339(clock.now)}


# --- listing ---


def test_a_loan_is_active_until_its_due_time_is_past(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    states = []
    for _ in range(3):
        states.append(frontend.loan(loan.id).state)
        clock.now = max(clock.now + 1, loan.due_time.seconds * 1_000_000)
    frontend.bring_back(loan.id)
    states.append(frontend.loan(loan.id).state)
    assert states == [LOAN_STATE_ACTIVE, LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED]


def listed(frontend: LocalFrontend, page_size: int, **filters: object) -> list[loan_pb2.Loan]:
    """All pages."""
    request = ListLoansRequest(page_size=page_size, **filters)  # type: ignore[arg-type]
    loans: list[loan_pb2.Loan] = []
    while True:
        page, request.page_token = list_loans(frontend.store, request, frontend.rules, frontend.clock)
        assert len(page) <= page_size
        loans += page
        if not request.page_token:
            return loans


def test_loans_are_listed_oldest_first_by_every_filter(frontend: LocalFrontend, clock: SettableClock) -> None:
    users, books = [frontend.user() for _ in range(3)], [frontend.book(copies=100) for _ in range(3)]
    ids = [
        frontend.borrow(book.id, user.id, days).id
        for days, user, book in itertools.product((1, 2, 2), users[:2], books[:2])
    ]
    clock.now = end_of_day(clock.now, 1) + 1
    for loan_id in ids[::4]:
        frontend.bring_back(loan_id)
    everything = [frontend.loan(loan_id) for loan_id in ids]
    assert {loan.state for loan in everything} == {LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED}

    states = (LOAN_STATE_UNSPECIFIED, LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED)
    user_ids, book_ids = ["", *(user.id for user in users)], ["", *(book.id for book in books)]
    for user_id, book_id, state, only_open in itertools.product(user_ids, book_ids, states, (False, True)):
        expected = [
            loan
            for loan in everything
            if user_id in ("", loan.user_id) and book_id in ("", loan.book_id) and state in (0, loan.state)
            if not (only_open and loan.HasField("return_time"))
        ]
        filters = {"user_id": user_id, "book_id": book_id, "state": state, "only_open": only_open}
        for page_size in (1, 5, 1_000):
            assert listed(frontend, page_size, **filters) == expected


def test_a_list_and_a_loan_itself_agree_about_when_it_is_overdue(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    for clock.now in (loan.due_time.seconds * SECOND + difference for difference in (-1, 0, 1)):
        state = frontend.loan(loan.id).state
        assert [each.id for each in listed(frontend, 10, state=state)] == [loan.id]


def test_a_page_token_of_loans_is_good_for_its_own_filters_only(frontend: LocalFrontend) -> None:
    user, book = frontend.user(), frontend.book(copies=3)
    for _ in range(3):
        frontend.borrow(book.id, user.id)
    request = ListLoansRequest(page_size=1, user_id=user.id)
    _, request.page_token = list_loans(frontend.store, request, frontend.rules, frontend.clock)
    request.page_size = 2
    assert len(list_loans(frontend.store, request, frontend.rules, frontend.clock)[0]) == 2
    others = [
        ListLoansRequest(user_id=frontend.user().id),
        ListLoansRequest(user_id=user.id, book_id=book.id),
        ListLoansRequest(user_id=user.id, state=LOAN_STATE_ACTIVE),
        ListLoansRequest(user_id=user.id, only_open=True),
        ListLoansRequest(),
    ]
    for other in others:
        other.page_token = request.page_token
        with pytest.raises(FieldInvalid) as refusal:
            list_loans(frontend.store, other, frontend.rules, frontend.clock)
        assert [field for field, _ in refusal.value.problems] == ["page_token"]
