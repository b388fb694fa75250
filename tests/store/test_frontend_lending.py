"""Books are borrowed at a frontend, on both engines."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

from frontend_server.browse import catalog
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.members import members
from frontend_server.store.models import Loan
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.loan_pb2 import (
    LOAN_STATE_ACTIVE,
    LOAN_STATE_RETURNED,
)
from library_domain.default_policy import DEFAULT_RULE_ID
from library_domain.errors import (
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    LoanLimitReached,
    NoCopyAvailable,
    UserNotFound,
)
from service_kit.clock import rfc3339, timestamp
from service_kit.errors import RequestIdReused
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.clocks import SettableClock, end_of_day
from tests.support.frontend import LocalFrontend, refused

# --- borrowing ---


def test_a_loan_is_due_at_the_end_of_the_last_of_its_days(frontend: LocalFrontend, clock: SettableClock) -> None:
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
            due_time=timestamp(end_of_day(clock.now, days)),
            state=LOAN_STATE_ACTIVE,
            branch="main",
            time_zone="UTC",
            rule_id=DEFAULT_RULE_ID,
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

    assert metadata == {"book_id": book.id, "next_available_time": rfc3339(end_of_day(clock.now, 7))}
    assert catalog.get_book(frontend.store, book.id).next_available_time == timestamp(end_of_day(clock.now, 7))


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
