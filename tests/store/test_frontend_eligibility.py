"""The pure rules of lending find a reason exactly where the database refuses, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.eligibility import BookFacts, BorrowerFacts, CheckoutFacts, Wish, checkout_plan
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.renewal_gates import RenewalFacts, renewal_plan
from frontend_server.circulation.renewals import OpenLoan
from frontend_server.circulation.rules import LendingRules
from frontend_server.refusals import in_order
from frontend_server.store.models import Book, Loan, User
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import BookUnavailable, NoCopyAvailable
from service_kit.clock import DAY, rfc3339
from service_kit.errors import RowUnreadable, ServiceError
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.clocks import SettableClock, end_of_day
from tests.support.frontend import LocalFrontend
from tests.support.waiting import second_beside

NEWER_STATE = 77
BOOK_STATES = st.sampled_from([*[BOOK_STATE_ACTIVE] * 3, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED, NEWER_STATE])
USER_STATES = st.sampled_from([*[USER_STATE_ACTIVE] * 3, USER_STATE_CLOSED, NEWER_STATE])
TIMES = st.sampled_from([-DAY, -1, 0, 1, DAY])
"""From now on."""
BORROWERS = st.one_of(
    st.none(),
    *[st.builds(BorrowerFacts, st.just(""), USER_STATES, st.integers(0, 4), st.just(""), st.none() | TIMES, TIMES)] * 3,
)
RULES = LendingRules(loan_limit=3, daily_fine=DailyFine("EUR", 0))

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def frontend(frontend_store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(frontend_store, clock, RULES)


def write(frontend: LocalFrontend, *changes: Any) -> None:
    with frontend.store.writing():
        for change in changes:
            change.execute()


def user_at(now: int, user_id: str, borrower: BorrowerFacts) -> BorrowerFacts:
    """The same facts of this user, with times from now on."""
    expire_time = None if borrower.expire_time is None else now + borrower.expire_time
    return replace(borrower, id=user_id, expire_time=expire_time, blocked_until=now + borrower.blocked_until)


def set_user(facts: BorrowerFacts) -> Any:
    columns = ("state", "active_loan_count", "user_category", "expire_time", "blocked_until")
    return User.update({name: getattr(facts, name) for name in columns}).where(User.id == facts.id)


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
    policy = current_policy(RULES)

    @quick
    @given(
        st.one_of(st.none(), *[st.tuples(BOOK_STATES, st.integers(0, 2))] * 3),
        BORROWERS,
        st.sampled_from([0, 14, 365]),
    )
    def compare(stored: tuple[int, int] | None, borrower: BorrowerFacts | None, days: int) -> None:
        state, free_copies = stored or (0, 0)
        borrower = borrower and user_at(clock.now, user.id, borrower)
        write(
            frontend,
            Book.update(state=state, free_copies=free_copies).where(Book.id == book.id),
            *([set_user(borrower)] if borrower else []),
        )
        wish = Wish(book_id=book.id if stored else new_id(), user_id=user.id if borrower else new_id(), days=days)
        facts = CheckoutFacts(
            BookFacts(book.id, state, has_free_copy=free_copies > 0) if stored else None,
            None,
            borrower,
            has_items=False,
        )
        expected = [refusal.reason for refusal in in_order(checkout_plan(wish, facts, policy, clock.now).refusals)]
        assert reasons_of(frontend, partial(frontend.borrow, wish.book_id, wish.user_id, days)) == expected

    compare()


def test_a_loan_is_renewed_exactly_where_no_reason_is_against_it(frontend: LocalFrontend, clock: SettableClock) -> None:
    user = frontend.user()
    loan = frontend.borrow(frontend.book().id, user.id)
    policy = current_policy(RULES)

    @quick
    @given(
        due_in=st.integers(-2, 2),
        is_returned=st.sampled_from([False, False, False, True]),
        borrowed_days_ago=st.sampled_from([1, 14, 364, 365]),
        renewal_count=st.integers(0, 4),
        borrower=BORROWERS,
        days=st.sampled_from([0, 1, 351, 352, 365]),
    )
    def compare(
        due_in: int,
        is_returned: bool,
        borrowed_days_ago: int,
        renewal_count: int,
        borrower: BorrowerFacts | None,
        days: int,
    ) -> None:
        borrower = borrower and user_at(clock.now, user.id, borrower)
        columns = {
            "borrow_time": clock.now - borrowed_days_ago * DAY,
            "due_time": clock.now + due_in,
            "renewal_count": renewal_count,
        }
        return_time = clock.now if is_returned else None
        user_id = user.id if borrower else new_id()
        write(
            frontend, Loan.update(return_time=return_time, user_id=user_id, fine_nanos=0, assessed_nanos=0, **columns)
        )
        write(frontend, *([set_user(borrower)] if borrower else []))
        facts = RenewalFacts(OpenLoan(loan.id, **columns), return_time, policy.branch("main"), borrower)
        plan = renewal_plan(Wish(user_id=user_id, days=days), facts, policy.default_rule, clock.now)
        expected = [refusal.reason for refusal in in_order(plan.refusals)]
        assert reasons_of(frontend, partial(frontend.renew, loan.id, days)) == expected

    compare()


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
    frontend.borrow(book.id, frontend.user().id, 7)
    book.state = BOOK_STATE_UNAVAILABLE
    frontend.receive(book)
    with pytest.raises(BookUnavailable) as refused:
        frontend.borrow(book.id, frontend.user().id)
    assert [refusal.metadata for refusal in refused.value.further] == [
        {"book_id": book.id, "next_available_time": rfc3339(end_of_day(clock.now, 7))}
    ]


def test_a_damaged_user_does_not_hide_why_the_book_is_refused(frontend: LocalFrontend) -> None:
    if frontend.store.is_postgresql:
        pytest.skip("PostgreSQL keeps the types of its columns")
    book, user = frontend.book(copies=0), frontend.user()
    frontend.store.database.execute_sql("UPDATE user_account SET active_loan_count = 'x'")
    with pytest.raises(NoCopyAvailable) as refused:
        frontend.borrow(book.id, user.id)
    assert [type(refusal) for refusal in refused.value.further] == [RowUnreadable]
