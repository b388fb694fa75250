from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money

from frontend_server.browse import catalog
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.loans import list_loans
from frontend_server.circulation.rules import LendingRules
from frontend_server.members import members
from frontend_server.store.models import Loan
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.loan_pb2 import (
    LOAN_STATE_ACTIVE,
    LOAN_STATE_OVERDUE,
    LOAN_STATE_RETURNED,
    LOAN_STATE_UNSPECIFIED,
)
from library_domain.errors import (
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    LoanLimitReached,
    LoanNotFound,
    LoanOverdue,
    LoanReturned,
    NoCopyAvailable,
    RenewalLimitReached,
    UserNotFound,
)
from service_kit.clock import DAY, SECOND, rfc3339, timestamp
from service_kit.errors import FieldInvalid, RequestIdReused, ServiceError
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend


@pytest.fixture
def frontend(frontend_store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(frontend_store, clock)


def refused(
    frontend: LocalFrontend, reason: type[ServiceError], call: Callable[..., object], *args: object
) -> dict[str, str]:
    """Make a call that is to be refused for this reason and to change nothing; return the error's metadata."""
    before = frontend.contents()
    with pytest.raises(reason) as error:
        call(*args)
    assert frontend.contents() == before
    return dict(error.value.metadata)


# --- borrowing ---


def test_a_loan_is_due_so_many_days_of_24_hours_after_it_was_made(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    book, user = frontend.book("Emma", copies=2), frontend.user()
    for days in (1, 14, 365):
        clock.advance(seconds=0.123456)
        loan = frontend.borrow(book.id, user.id, days)

        assert loan == loan_pb2.Loan(
            id=loan.id,
            book_id=book.id,
            user_id=user.id,
            book_title="Emma",
            days=days,
            borrow_time=timestamp(clock.now),
            due_time=timestamp(clock.now + days * DAY),
            state=LOAN_STATE_ACTIVE,
        )
        assert frontend.loan(loan.id) == loan
        frontend.bring_back(loan.id)


def test_a_lent_copy_is_missing_until_it_comes_back(frontend: LocalFrontend, clock: SettableClock) -> None:
    book, user = frontend.book(copies=2), frontend.user()

    def now() -> tuple[int, bool, int]:
        shown = catalog.get_book(frontend.store, book.id)
        loans_out = members.get_user(frontend.store, user.id).active_loan_count
        return shown.available_copies, shown.HasField("next_available_time"), loans_out

    assert now() == (2, False, 0)
    first = frontend.borrow(book.id, user.id, 14)
    assert now() == (1, False, 1)
    frontend.borrow(book.id, user.id, 7)
    assert now() == (0, True, 2)
    frontend.bring_back(first.id)
    assert now() == (1, False, 1)
    frontend.check()


def test_every_change_of_a_loan_makes_it_pending_again(frontend: LocalFrontend) -> None:
    book, user = frontend.book(), frontend.user()
    frontend.mark_all_pushed()
    revisions = []
    loan = frontend.borrow(book.id, user.id)
    for change in (partial(frontend.renew, loan.id, 7), partial(frontend.bring_back, loan.id), lambda: None):
        row = Loan.get(Loan.id == loan.id)
        assert row.revision > row.pushed_revision
        revisions.append(row.revision)
        frontend.mark_all_pushed()
        change()
    assert revisions == sorted(set(revisions))


def test_a_changed_loan_that_was_parked_is_sent_again(frontend: LocalFrontend) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id)
    for change in (partial(frontend.renew, loan.id, 7), partial(frontend.bring_back, loan.id)):
        Loan.update(park_reason="the admin did not like it").execute()
        change()
        assert Loan.get().park_reason == ""


def test_the_loan_keeps_the_title_that_it_was_made_under(frontend: LocalFrontend) -> None:
    book = frontend.book("The Hobbit")
    loan = frontend.borrow(book.id, frontend.user().id)
    book.title = "The Hobbit, or There and Back Again"
    frontend.receive(book)
    assert frontend.bring_back(loan.id).book_title == "The Hobbit"


def test_without_a_free_copy_the_refusal_names_when_the_first_is_expected_back(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    book, user = frontend.book(copies=3), frontend.user()
    for days in (30, 7, 14):
        frontend.borrow(book.id, user.id, days)

    metadata = refused(frontend, NoCopyAvailable, frontend.borrow, book.id, user.id)

    assert metadata == {"book_id": book.id, "next_available_time": rfc3339(clock.now + 7 * DAY)}
    assert catalog.get_book(frontend.store, book.id).next_available_time == timestamp(clock.now + 7 * DAY)


def test_no_book_that_is_unknown_removed_or_does_not_circulate_is_lent(frontend: LocalFrontend) -> None:
    user = frontend.user()
    removed, unavailable = frontend.book(state=BOOK_STATE_REMOVED), frontend.book(state=BOOK_STATE_UNAVAILABLE)
    nowhere = new_id()

    assert refused(frontend, BookNotFound, frontend.borrow, nowhere, user.id) == {"book_id": nowhere}
    assert refused(frontend, BookRemoved, frontend.borrow, removed.id, user.id) == {"book_id": removed.id}
    assert refused(frontend, BookUnavailable, frontend.borrow, unavailable.id, user.id) == {"book_id": unavailable.id}


def test_nothing_is_lent_to_nobody(frontend: LocalFrontend) -> None:
    book, nobody = frontend.book(), new_id()
    assert refused(frontend, UserNotFound, frontend.borrow, book.id, nobody) == {"user_id": nobody}


def test_a_user_has_at_most_so_many_loans_out(frontend_store: Store, clock: SettableClock) -> None:
    frontend = LocalFrontend(frontend_store, clock, LendingRules(loan_limit=3, daily_fine=DailyFine("EUR", 0)))
    book, user = frontend.book(copies=10), frontend.user()
    loans = [frontend.borrow(book.id, user.id) for _ in range(3)]

    metadata = refused(frontend, LoanLimitReached, frontend.borrow, book.id, user.id)

    assert metadata == {"user_id": user.id, "loan_limit": "3"}
    frontend.borrow(book.id, frontend.user().id)
    frontend.bring_back(loans[0].id)
    frontend.borrow(book.id, user.id)
    frontend.check()


def test_a_book_that_leaves_while_it_is_out_comes_back_all_the_same(frontend: LocalFrontend) -> None:
    book, user = frontend.book(copies=2), frontend.user()
    loan = frontend.borrow(book.id, user.id)
    book.state = BOOK_STATE_REMOVED
    frontend.receive(book)

    refused(frontend, BookRemoved, frontend.borrow, book.id, user.id)
    assert frontend.renew(loan.id, 7).days == 21
    assert frontend.bring_back(loan.id).state == LOAN_STATE_RETURNED
    frontend.check()


def test_copies_that_the_admin_takes_away_are_not_lent_once_more(frontend: LocalFrontend) -> None:
    book, user = frontend.book(copies=3), frontend.user()
    loans = [frontend.borrow(book.id, user.id) for _ in range(3)]
    book.total_copies = 1
    frontend.receive(book)

    assert catalog.get_book(frontend.store, book.id).available_copies == 0
    for loan in loans[:2]:
        refused(frontend, NoCopyAvailable, frontend.borrow, book.id, user.id)
        frontend.bring_back(loan.id)
    refused(frontend, NoCopyAvailable, frontend.borrow, book.id, user.id)
    frontend.bring_back(loans[2].id)
    frontend.borrow(book.id, user.id)
    frontend.check()


# --- request ids ---


def test_a_borrow_sent_again_gets_the_first_answer_after_later_changes(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    book, user, request_id = frontend.book(copies=2), frontend.user(), str(uuid4())
    first = frontend.borrow(book.id, user.id, 14, request_id)
    assert frontend.borrow(book.id, user.id, 14, request_id) == first
    for change in (partial(frontend.renew, first.id, 7), partial(frontend.bring_back, first.id)):
        clock.advance(days=1)
        change()
        before = frontend.contents()
        assert frontend.borrow(book.id, user.id, 14, request_id) == first
        assert frontend.contents() == before


def test_a_borrow_sent_again_is_answered_where_a_new_one_would_be_refused(
    frontend_store: Store, clock: SettableClock
) -> None:
    frontend = LocalFrontend(frontend_store, clock, LendingRules(loan_limit=1, daily_fine=DailyFine("EUR", 0)))
    book, user, request_id = frontend.book(), frontend.user(), str(uuid4())
    loan = frontend.borrow(book.id, user.id, 14, request_id)
    assert frontend.borrow(book.id, user.id, 14, request_id) == loan, "no copy, and no place"
    book.state = BOOK_STATE_REMOVED
    frontend.receive(book)
    assert frontend.borrow(book.id, user.id, 14, request_id) == loan, "no book"


def test_a_request_id_serves_one_borrow(frontend: LocalFrontend) -> None:
    book, other_book = frontend.book(copies=3), frontend.book()
    user, other_user, request_id = frontend.user(), frontend.user(), str(uuid4())
    frontend.borrow(book.id, user.id, 14, request_id)
    for arguments in (
        (other_book.id, user.id, 14),
        (book.id, other_user.id, 14),
        (book.id, user.id, 15),
        (new_id(), user.id, 14),
    ):
        metadata = refused(frontend, RequestIdReused, frontend.borrow, *arguments, request_id)
        assert metadata == {"request_id": request_id}


def test_a_refused_borrow_leaves_its_request_id_free(frontend: LocalFrontend) -> None:
    book, user, request_id = frontend.book(), frontend.user(), str(uuid4())
    loan = frontend.borrow(book.id, user.id)
    refused(frontend, NoCopyAvailable, frontend.borrow, book.id, user.id, 14, request_id)
    frontend.bring_back(loan.id)
    assert frontend.borrow(book.id, user.id, 14, request_id).id != loan.id


def test_borrows_without_a_request_id_are_borrows_each(frontend: LocalFrontend) -> None:
    book, user = frontend.book(copies=2), frontend.user()
    assert frontend.borrow(book.id, user.id).id != frontend.borrow(book.id, user.id).id


# --- returning ---


def test_who_is_late_owes_a_fine(frontend: LocalFrontend, clock: SettableClock) -> None:
    book, user = frontend.book(), frontend.user()
    for late, fine in (
        (-14 * DAY, None),
        (0, None),
        (1, Money(currency_code="EUR", nanos=200_000_000)),
        (DAY, Money(currency_code="EUR", nanos=200_000_000)),
        (DAY + 1, Money(currency_code="EUR", nanos=400_000_000)),
        (30 * DAY, Money(currency_code="EUR", units=6)),
        (1_000 * DAY - 1, Money(currency_code="EUR", units=200)),
    ):
        loan = frontend.borrow(book.id, user.id, 14)
        clock.now += 14 * DAY + late

        returned = frontend.bring_back(loan.id)

        loan.state = LOAN_STATE_RETURNED
        loan.return_time.CopyFrom(timestamp(clock.now))
        if fine is not None:
            loan.fine.CopyFrom(fine)
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
    clock.advance(days=14)  # the very moment when it is due

    renewed = frontend.renew(loan.id, 7)

    loan.days, loan.renewal_count = 21, 1
    loan.due_time.CopyFrom(timestamp(clock.now + 7 * DAY))
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
    due = clock.now + 14 * DAY
    clock.now = due + 1
    metadata = refused(frontend, LoanOverdue, frontend.renew, loan.id, 7)
    assert metadata == {"loan_id": loan.id, "due_time": rfc3339(due)}


def test_a_loan_is_renewed_up_to_its_due_time(frontend: LocalFrontend, clock: SettableClock) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    clock.now += 14 * DAY
    assert frontend.renew(loan.id, 7).days == 21


def test_a_loan_at_its_due_time_is_refused_for_its_renewals_and_not_as_overdue(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    loan = frontend.borrow(frontend.book().id, frontend.user().id, 14)
    for _ in range(3):
        frontend.renew(loan.id, 7)
    clock.now += 35 * DAY
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
        page, request.page_token = list_loans(frontend.store, request, frontend.clock)
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
    clock.advance(days=1, seconds=1)
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
    _, request.page_token = list_loans(frontend.store, request, frontend.clock)
    request.page_size = 2
    assert len(list_loans(frontend.store, request, frontend.clock)[0]) == 2
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
            list_loans(frontend.store, other, frontend.clock)
        assert [field for field, _ in refusal.value.problems] == ["page_token"]
