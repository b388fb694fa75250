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
from tests.support.frontend import Branch


@pytest.fixture
def branch(frontend_store: Store, clock: SettableClock) -> Branch:
    return Branch(frontend_store, clock)


def refused(branch: Branch, reason: type[ServiceError], call: Callable[..., object], *args: object) -> dict[str, str]:
    """Make a call that is to be refused for this reason and to change nothing; what the error tells."""
    before = branch.contents()
    with pytest.raises(reason) as error:
        call(*args)
    assert branch.contents() == before
    return dict(error.value.metadata)


# --- borrowing ---


def test_a_loan_is_due_so_many_days_of_24_hours_after_it_was_made(branch: Branch, clock: SettableClock) -> None:
    book, user = branch.book("Emma", copies=2), branch.user()
    for days in (1, 14, 365):
        clock.advance(seconds=0.123456)
        loan = branch.borrow(book.id, user.id, days)

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
        assert branch.loan(loan.id) == loan
        branch.bring_back(loan.id)


def test_a_lent_copy_is_missing_until_it_comes_back(branch: Branch, clock: SettableClock) -> None:
    book, user = branch.book(copies=2), branch.user()

    def now() -> tuple[int, bool, int]:
        shown = catalog.get_book(branch.store, book.id)
        loans_out = members.get_user(branch.store, user.id).active_loan_count
        return shown.available_copies, shown.HasField("next_available_time"), loans_out

    assert now() == (2, False, 0)
    first = branch.borrow(book.id, user.id, 14)
    assert now() == (1, False, 1)
    branch.borrow(book.id, user.id, 7)
    assert now() == (0, True, 2)
    branch.bring_back(first.id)
    assert now() == (1, False, 1)
    branch.check()


def test_every_change_of_a_loan_makes_it_pending_again(branch: Branch) -> None:
    book, user = branch.book(), branch.user()
    branch.told_everything()
    revisions = []
    loan = branch.borrow(book.id, user.id)
    for change in (partial(branch.renew, loan.id, 7), partial(branch.bring_back, loan.id), lambda: None):
        row = Loan.get(Loan.id == loan.id)
        assert row.revision > row.pushed_revision
        revisions.append(row.revision)
        branch.told_everything()
        change()
    assert revisions == sorted(set(revisions))


def test_a_changed_loan_that_was_parked_is_sent_again(branch: Branch) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id)
    for change in (partial(branch.renew, loan.id, 7), partial(branch.bring_back, loan.id)):
        Loan.update(park_reason="the admin did not like it").execute()
        change()
        assert Loan.get().park_reason == ""


def test_the_loan_keeps_the_title_that_it_was_made_under(branch: Branch) -> None:
    book = branch.book("The Hobbit")
    loan = branch.borrow(book.id, branch.user().id)
    book.title = "The Hobbit, or There and Back Again"
    branch.receive(book)
    assert branch.bring_back(loan.id).book_title == "The Hobbit"


def test_without_a_free_copy_the_refusal_names_when_the_first_is_expected_back(
    branch: Branch, clock: SettableClock
) -> None:
    book, user = branch.book(copies=3), branch.user()
    for days in (30, 7, 14):
        branch.borrow(book.id, user.id, days)

    told = refused(branch, NoCopyAvailable, branch.borrow, book.id, user.id)

    assert told == {"book_id": book.id, "next_available_time": rfc3339(clock.now + 7 * DAY)}
    assert catalog.get_book(branch.store, book.id).next_available_time == timestamp(clock.now + 7 * DAY)


def test_no_book_that_is_unknown_removed_or_does_not_circulate_is_lent(branch: Branch) -> None:
    user = branch.user()
    removed, unavailable = branch.book(state=BOOK_STATE_REMOVED), branch.book(state=BOOK_STATE_UNAVAILABLE)
    nowhere = new_id()

    assert refused(branch, BookNotFound, branch.borrow, nowhere, user.id) == {"book_id": nowhere}
    assert refused(branch, BookRemoved, branch.borrow, removed.id, user.id) == {"book_id": removed.id}
    assert refused(branch, BookUnavailable, branch.borrow, unavailable.id, user.id) == {"book_id": unavailable.id}


def test_nothing_is_lent_to_nobody(branch: Branch) -> None:
    book, nobody = branch.book(), new_id()
    assert refused(branch, UserNotFound, branch.borrow, book.id, nobody) == {"user_id": nobody}


def test_a_user_has_at_most_so_many_loans_out(frontend_store: Store, clock: SettableClock) -> None:
    branch = Branch(frontend_store, clock, LendingRules(loan_limit=3, daily_fine=DailyFine("EUR", 0)))
    book, user = branch.book(copies=10), branch.user()
    loans = [branch.borrow(book.id, user.id) for _ in range(3)]

    told = refused(branch, LoanLimitReached, branch.borrow, book.id, user.id)

    assert told == {"user_id": user.id, "loan_limit": "3"}
    branch.borrow(book.id, branch.user().id)
    branch.bring_back(loans[0].id)
    branch.borrow(book.id, user.id)
    branch.check()


def test_a_book_that_leaves_while_it_is_out_comes_back_all_the_same(branch: Branch) -> None:
    book, user = branch.book(copies=2), branch.user()
    loan = branch.borrow(book.id, user.id)
    book.state = BOOK_STATE_REMOVED
    branch.receive(book)

    refused(branch, BookRemoved, branch.borrow, book.id, user.id)
    assert branch.renew(loan.id, 7).days == 21
    assert branch.bring_back(loan.id).state == LOAN_STATE_RETURNED
    branch.check()


def test_copies_that_the_admin_takes_away_are_not_lent_once_more(branch: Branch) -> None:
    book, user = branch.book(copies=3), branch.user()
    loans = [branch.borrow(book.id, user.id) for _ in range(3)]
    book.total_copies = 1
    branch.receive(book)

    assert catalog.get_book(branch.store, book.id).available_copies == 0
    for loan in loans[:2]:
        refused(branch, NoCopyAvailable, branch.borrow, book.id, user.id)
        branch.bring_back(loan.id)
    refused(branch, NoCopyAvailable, branch.borrow, book.id, user.id)
    branch.bring_back(loans[2].id)
    branch.borrow(book.id, user.id)
    branch.check()


# --- request ids ---


def test_a_borrow_sent_again_gets_the_first_answer_after_later_changes(branch: Branch, clock: SettableClock) -> None:
    book, user, request_id = branch.book(copies=2), branch.user(), str(uuid4())
    first = branch.borrow(book.id, user.id, 14, request_id)
    assert branch.borrow(book.id, user.id, 14, request_id) == first
    for change in (partial(branch.renew, first.id, 7), partial(branch.bring_back, first.id)):
        clock.advance(days=1)
        change()
        before = branch.contents()
        assert branch.borrow(book.id, user.id, 14, request_id) == first
        assert branch.contents() == before


def test_a_borrow_sent_again_is_answered_where_a_new_one_would_be_refused(
    frontend_store: Store, clock: SettableClock
) -> None:
    branch = Branch(frontend_store, clock, LendingRules(loan_limit=1, daily_fine=DailyFine("EUR", 0)))
    book, user, request_id = branch.book(), branch.user(), str(uuid4())
    loan = branch.borrow(book.id, user.id, 14, request_id)
    assert branch.borrow(book.id, user.id, 14, request_id) == loan, "no copy, and no place"
    book.state = BOOK_STATE_REMOVED
    branch.receive(book)
    assert branch.borrow(book.id, user.id, 14, request_id) == loan, "no book"


def test_a_request_id_serves_one_borrow(branch: Branch) -> None:
    book, other_book = branch.book(copies=3), branch.book()
    user, other_user, request_id = branch.user(), branch.user(), str(uuid4())
    branch.borrow(book.id, user.id, 14, request_id)
    for arguments in (
        (other_book.id, user.id, 14),
        (book.id, other_user.id, 14),
        (book.id, user.id, 15),
        (new_id(), user.id, 14),
    ):
        told = refused(branch, RequestIdReused, branch.borrow, *arguments, request_id)
        assert told == {"request_id": request_id}


def test_a_refused_borrow_leaves_its_request_id_free(branch: Branch) -> None:
    book, user, request_id = branch.book(), branch.user(), str(uuid4())
    loan = branch.borrow(book.id, user.id)
    refused(branch, NoCopyAvailable, branch.borrow, book.id, user.id, 14, request_id)
    branch.bring_back(loan.id)
    assert branch.borrow(book.id, user.id, 14, request_id).id != loan.id


def test_borrows_without_a_request_id_are_borrows_each(branch: Branch) -> None:
    book, user = branch.book(copies=2), branch.user()
    assert branch.borrow(book.id, user.id).id != branch.borrow(book.id, user.id).id


# --- returning ---


def test_who_is_late_owes_a_fine(branch: Branch, clock: SettableClock) -> None:
    book, user = branch.book(), branch.user()
    for late, fine in (
        (-14 * DAY, None),
        (0, None),
        (1, Money(currency_code="EUR", nanos=200_000_000)),
        (DAY, Money(currency_code="EUR", nanos=200_000_000)),
        (DAY + 1, Money(currency_code="EUR", nanos=400_000_000)),
        (30 * DAY, Money(currency_code="EUR", units=6)),
        (1_000 * DAY - 1, Money(currency_code="EUR", units=200)),
    ):
        loan = branch.borrow(book.id, user.id, 14)
        clock.now += 14 * DAY + late

        returned = branch.bring_back(loan.id)

        loan.state = LOAN_STATE_RETURNED
        loan.return_time.CopyFrom(timestamp(clock.now))
        if fine is not None:
            loan.fine.CopyFrom(fine)
        assert returned == loan
        clock.advance(days=100)
        assert branch.loan(loan.id) == loan, "what is owed does not grow any more"


def test_a_loan_comes_back_once(branch: Branch, clock: SettableClock) -> None:
    book = branch.book(copies=2)
    loan, _ = branch.borrow(book.id, branch.user().id), branch.borrow(book.id, branch.user().id)
    branch.bring_back(loan.id)
    returned_at = clock.now
    clock.advance(days=30)

    told = refused(branch, LoanReturned, branch.bring_back, loan.id)

    assert told == {"loan_id": loan.id, "return_time": rfc3339(returned_at)}


def test_what_was_never_lent_does_not_come_back(branch: Branch) -> None:
    branch.borrow(branch.book().id, branch.user().id)
    nothing = new_id()
    for call in (branch.bring_back, branch.loan, partial(branch.renew, days=7)):
        assert refused(branch, LoanNotFound, call, nothing) == {"loan_id": nothing}


# --- renewing ---


def test_a_renewal_moves_the_due_time_by_its_days(branch: Branch, clock: SettableClock) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    clock.advance(days=14)  # the very moment when it is due

    renewed = branch.renew(loan.id, 7)

    loan.days, loan.renewal_count = 21, 1
    loan.due_time.CopyFrom(timestamp(clock.now + 7 * DAY))
    assert renewed == loan
    assert branch.loan(loan.id) == loan


def test_a_loan_is_renewed_three_times(branch: Branch) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 1)
    assert [branch.renew(loan.id, 1).renewal_count for _ in range(3)] == [1, 2, 3]
    told = refused(branch, RenewalLimitReached, branch.renew, loan.id, 1)
    assert told == {"loan_id": loan.id, "renewal_limit": "3", "day_limit": "365"}


def test_a_loan_lasts_at_most_365_days_with_its_renewals(branch: Branch) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    refused(branch, RenewalLimitReached, branch.renew, loan.id, 352)
    assert branch.renew(loan.id, 351).days == 365
    refused(branch, RenewalLimitReached, branch.renew, loan.id, 1)


def test_what_is_overdue_is_not_renewed(branch: Branch, clock: SettableClock) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    due = clock.now + 14 * DAY
    clock.now = due + 1
    told = refused(branch, LoanOverdue, branch.renew, loan.id, 7)
    assert told == {"loan_id": loan.id, "due_time": rfc3339(due)}


def test_a_loan_is_renewed_up_to_its_due_time(branch: Branch, clock: SettableClock) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    clock.now += 14 * DAY
    assert branch.renew(loan.id, 7).days == 21


def test_a_loan_at_its_due_time_is_refused_for_its_renewals_and_not_as_overdue(
    branch: Branch, clock: SettableClock
) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    for _ in range(3):
        branch.renew(loan.id, 7)
    clock.now += 35 * DAY
    refused(branch, RenewalLimitReached, branch.renew, loan.id, 7)
    clock.now += 1
    refused(branch, LoanOverdue, branch.renew, loan.id, 7)


def test_what_has_come_back_is_not_renewed(branch: Branch, clock: SettableClock) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    branch.bring_back(loan.id)
    told = refused(branch, LoanReturned, branch.renew, loan.id, 7)
    assert told == {"loan_id": loan.id, "return_time": rfc3339(clock.now)}


# --- listing ---


def test_a_loan_is_active_until_its_due_time_is_past(branch: Branch, clock: SettableClock) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    states = []
    for _ in range(3):
        states.append(branch.loan(loan.id).state)
        clock.now = max(clock.now + 1, loan.due_time.seconds * 1_000_000)
    branch.bring_back(loan.id)
    states.append(branch.loan(loan.id).state)
    assert states == [LOAN_STATE_ACTIVE, LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED]


def listed(branch: Branch, page_size: int, **filters: object) -> list[loan_pb2.Loan]:
    """All pages."""
    request = ListLoansRequest(page_size=page_size, **filters)  # type: ignore[arg-type]
    loans: list[loan_pb2.Loan] = []
    while True:
        page, request.page_token = list_loans(branch.store, request, branch.clock)
        assert len(page) <= page_size
        loans += page
        if not request.page_token:
            return loans


def test_loans_are_listed_oldest_first_by_every_filter(branch: Branch, clock: SettableClock) -> None:
    users, books = [branch.user() for _ in range(3)], [branch.book(copies=100) for _ in range(3)]
    ids = [
        branch.borrow(book.id, user.id, days).id
        for days, user, book in itertools.product((1, 2, 2), users[:2], books[:2])
    ]
    clock.advance(days=1, seconds=1)
    for loan_id in ids[::4]:
        branch.bring_back(loan_id)
    everything = [branch.loan(loan_id) for loan_id in ids]
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
            assert listed(branch, page_size, **filters) == expected


def test_a_list_and_a_loan_itself_agree_about_when_it_is_overdue(branch: Branch, clock: SettableClock) -> None:
    loan = branch.borrow(branch.book().id, branch.user().id, 14)
    for clock.now in (loan.due_time.seconds * SECOND + difference for difference in (-1, 0, 1)):
        state = branch.loan(loan.id).state
        assert [each.id for each in listed(branch, 10, state=state)] == [loan.id]


def test_a_page_token_of_loans_is_good_for_its_own_filters_only(branch: Branch) -> None:
    user, book = branch.user(), branch.book(copies=3)
    for _ in range(3):
        branch.borrow(book.id, user.id)
    request = ListLoansRequest(page_size=1, user_id=user.id)
    _, request.page_token = list_loans(branch.store, request, branch.clock)
    request.page_size = 2
    assert len(list_loans(branch.store, request, branch.clock)[0]) == 2
    others = [
        ListLoansRequest(user_id=branch.user().id),
        ListLoansRequest(user_id=user.id, book_id=book.id),
        ListLoansRequest(user_id=user.id, state=LOAN_STATE_ACTIVE),
        ListLoansRequest(user_id=user.id, only_open=True),
        ListLoansRequest(),
    ]
    for other in others:
        other.page_token = request.page_token
        with pytest.raises(FieldInvalid) as refusal:
            list_loans(branch.store, other, branch.clock)
        assert [field for field, _ in refusal.value.problems] == ["page_token"]
