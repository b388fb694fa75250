"""The pure rules of lending find a reason exactly where the database refuses, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontend_server.circulation.checkout import borrow_book
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
from frontend_server.store.models import Book, Loan, User
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import BookUnavailable, NoCopyAvailable
from service_kit.clock import rfc3339
from service_kit.errors import RowUnreadable, ServiceError
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend
from tests.support.waiting import begin_beside, second_beside

NEWER_STATE = 77
BOOK_STATES = st.sampled_from([*[BOOK_STATE_ACTIVE] * 3, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED, NEWER_STATE])
USER_STATES = st.sampled_from([*[USER_STATE_ACTIVE] * 3, USER_STATE_CLOSED, NEWER_STATE])
BORROWERS = st.one_of(st.none(), *[st.builds(BorrowerFacts, USER_STATES, st.integers(0, 4))] * 3)
RULES = LendingRules(loan_limit=3, daily_fine=DailyFine("EUR", 0))

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def frontend(frontend_store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(frontend_store, clock, RULES)


def write(frontend: LocalFrontend, *changes: Any) -> None:
    with frontend.store.writing():
        for change in changes:
            change.execute()


def set_user(user_id: str, borrower: BorrowerFacts | None) -> Any:
    facts = borrower or BorrowerFacts(0, 0)
    return User.update(state=facts.state, active_loan_count=facts.active_loan_count).where(User.id == user_id)


def reasons_of(frontend: LocalFrontend, call: Callable[[], loan_pb2.Loan]) -> list[str]:
    """Return all reasons for which a call is refused, and show that a refused one changes nothing."""
    before = frontend.contents()
    try:
        call()
    except ServiceError as error:
        assert frontend.contents() == before
        return [error.reason, *(refusal.reason for refusal in error.further)]
    assert frontend.contents() != before
    return []


def test_a_loan_is_made_exactly_where_no_reason_is_against_it(frontend: LocalFrontend, clock: SettableClock) -> None:
    book, user = frontend.book(), frontend.user()

    @quick
    @given(
        st.one_of(st.none(), *[st.tuples(BOOK_STATES, st.integers(0, 2), st.integers(0, 2))] * 3),
        BORROWERS,
    )
    def compare(stored: tuple[int, int, int] | None, borrower: BorrowerFacts | None) -> None:
        state, on_loan, total_copies = stored or (0, 0, 0)
        write(
            frontend,
            Book.update(
                state=state, on_loan=on_loan, total_copies=total_copies, free_copies=max(0, total_copies - on_loan)
            ).where(Book.id == book.id),
            set_user(user.id, borrower),
        )
        facts = CheckoutFacts(
            book.id if stored else new_id(),
            BookFacts(state, on_loan < total_copies, clock.now) if stored else None,
            user.id if borrower else new_id(),
            borrower,
        )
        expected = [refusal.reason for refusal in eligibility(facts, RULES)]
        assert reasons_of(frontend, partial(frontend.borrow, facts.book_id, facts.user_id)) == expected

    compare()


def test_a_loan_is_renewed_exactly_where_no_reason_is_against_it(frontend: LocalFrontend, clock: SettableClock) -> None:
    user = frontend.user()
    loan = frontend.borrow(frontend.book().id, user.id)

    @quick
    @given(
        due_in=st.integers(-2, 2),
        is_returned=st.sampled_from([False, False, False, True]),
        days=st.sampled_from([1, 14, 364, 365]),
        renewal_count=st.integers(0, 4),
        borrower=BORROWERS,
        more_days=st.sampled_from([1, 351, 352, 365]),
    )
    def compare(
        due_in: int, is_returned: bool, days: int, renewal_count: int, borrower: BorrowerFacts | None, more_days: int
    ) -> None:
        facts = RenewalFacts(
            loan_id=loan.id,
            due_time=clock.now + due_in,
            return_time=clock.now if is_returned else None,
            days=days,
            renewal_count=renewal_count,
            user_id=user.id if borrower else new_id(),
            borrower=borrower,
            more_days=more_days,
            now=clock.now,
        )
        columns = ("due_time", "return_time", "days", "renewal_count", "user_id")
        write(frontend, Loan.update({name: getattr(facts, name) for name in columns}), set_user(user.id, borrower))
        expected = [refusal.reason for refusal in renewal_eligibility(facts, RULES)]
        assert reasons_of(frontend, partial(frontend.renew, loan.id, more_days)) == expected

    compare()


def test_a_copy_that_comes_back_after_the_update_is_for_the_next_call(frontend: LocalFrontend) -> None:
    if not frontend.store.is_postgresql:
        pytest.skip("SQLite has one writer")
    book, user = frontend.book(), frontend.user()
    loan = frontend.borrow(book.id, frontend.user().id)

    with ThreadPoolExecutor(1) as thread:

        def come_back_and_read_the_clock() -> int:  # between the update and the reading of the facts
            begin_beside(frontend.store, thread, partial(frontend.bring_back, loan.id)).result()
            return frontend.clock()

        request = BorrowBookRequest(book_id=book.id, user_id=user.id, days=14)
        with pytest.raises(NoCopyAvailable):
            borrow_book(frontend.store, request, RULES, come_back_and_read_the_clock)

    frontend.borrow(book.id, user.id)
    frontend.check()


def test_a_renewal_waits_for_the_change_of_its_user_and_is_made(frontend: LocalFrontend) -> None:
    user = frontend.user()
    loan = frontend.borrow(frontend.book().id, user.id)
    frontend.set_state(user.id, NEWER_STATE)
    activate = User.update(state=USER_STATE_ACTIVE).where(User.id == user.id)

    renewed = second_beside(frontend.store, activate.execute, lambda: frontend.renew(loan.id, 7))

    assert renewed.days == 21


def test_an_unavailable_book_with_all_copies_out_shows_when_one_is_expected(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    book = frontend.book()
    loan = frontend.borrow(book.id, frontend.user().id, 7)
    book.state = BOOK_STATE_UNAVAILABLE
    frontend.receive(book)
    with pytest.raises(BookUnavailable) as refused:
        frontend.borrow(book.id, frontend.user().id)
    assert [refusal.metadata for refusal in refused.value.further] == [
        {"book_id": book.id, "next_available_time": rfc3339(loan.due_time.seconds * 1_000_000)}
    ]


def test_a_damaged_user_does_not_hide_why_the_book_is_refused(frontend: LocalFrontend) -> None:
    if frontend.store.is_postgresql:
        pytest.skip("PostgreSQL keeps the types of its columns")
    book, user = frontend.book(copies=0), frontend.user()
    frontend.store.database.execute_sql("UPDATE user_account SET active_loan_count = 'x'")
    with pytest.raises(NoCopyAvailable) as refused:
        frontend.borrow(book.id, user.id)
    assert [type(refusal) for refusal in refused.value.further] == [RowUnreadable]
