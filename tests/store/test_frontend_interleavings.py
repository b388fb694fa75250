"""Two calls at a time on one frontend's store, the second of which comes upon what the first has not committed yet."""

from __future__ import annotations

from uuid import uuid4

import pytest

from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Loan, SetAside
from frontend_server.sync.retry_set_aside import retry_set_aside
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.errors import UserHasLoans
from service_kit.clock import micros
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.waiting import second_beside

NEWER_STATE = 77
"""Of a version that is not written yet."""


def test_a_borrow_at_the_limit_waits_for_a_return_and_is_counted(frontend_store: Store, clock: SettableClock) -> None:
    frontend = LocalFrontend(frontend_store, clock, LendingRules(loan_limit=1, daily_fine=DailyFine("EUR", 0)))
    user, books = frontend.user(), [frontend.book(), frontend.book()]
    loan = frontend.borrow(books[0].id, user.id)

    second_beside(
        frontend.store, lambda: frontend.bring_back(loan.id), lambda: frontend.borrow(books[1].id, user.id)
    )  # fmt: skip

    frontend.check()
    assert Loan.select().where(Loan.return_time.is_null()).count() == 1


def test_a_loan_begins_after_the_one_for_which_it_waited(frontend: LocalFrontend, clock: SettableClock) -> None:
    """By the loans, more copies would be out at a time than there are."""
    user, book = frontend.user(), frontend.book(copies=2)
    loan = frontend.borrow(book.id, user.id)

    following = second_beside(
        frontend.store,
        lambda: frontend.bring_back(loan.id),
        lambda: frontend.borrow(book.id, user.id),
        meanwhile=lambda: clock.advance(seconds=5),
    )

    assert micros(following.borrow_time) == clock.now


def test_an_account_is_not_closed_while_a_loan_of_it_is_being_made(frontend: LocalFrontend) -> None:
    user, book = frontend.user(), frontend.book()

    with pytest.raises(UserHasLoans):
        second_beside(frontend.store, lambda: frontend.borrow(book.id, user.id), lambda: frontend.close(user.id))

    frontend.check()
    assert [each.state for each in frontend.users()] == [USER_STATE_ACTIVE]


def test_a_request_at_the_same_time_as_its_copy_that_got_the_last_book_is_answered_as_that_one(
    frontend: LocalFrontend,
) -> None:
    user, book, request_id = frontend.user(), frontend.book(), str(uuid4())

    loan = second_beside(
        frontend.store,
        lambda: frontend.borrow(book.id, user.id, request_id=request_id),
        lambda: frontend.borrow(book.id, user.id, request_id=request_id),
    )

    assert [row.id for row in Loan.select()] == [loan.id]
    frontend.check()


def test_a_request_at_the_same_time_as_its_copy_is_done_once_where_both_could_be_done(frontend: LocalFrontend) -> None:
    user, book, request_id = frontend.user(), frontend.book(copies=2), str(uuid4())

    loan = second_beside(
        frontend.store,
        lambda: frontend.borrow(book.id, user.id, request_id=request_id),
        lambda: frontend.borrow(book.id, user.id, request_id=request_id),
    )

    assert [row.id for row in Loan.select()] == [loan.id]
    frontend.check()


def test_a_return_at_the_same_time_as_its_copy_is_answered_as_that_one(frontend: LocalFrontend) -> None:
    loan_id = frontend.borrow(frontend.book().id, frontend.user().id).id
    request_id = str(uuid4())

    loan = second_beside(
        frontend.store,
        lambda: frontend.bring_back(loan_id, request_id),
        lambda: frontend.bring_back(loan_id, request_id),
    )

    assert loan == frontend.loan(loan_id)
    frontend.check()


def test_a_retry_waits_for_the_page_that_sets_a_newer_version_aside(frontend: LocalFrontend) -> None:
    """Otherwise it applies the older version, and forgets the newer one together with it."""
    book = new_book("Bad")
    _refuse_title(frontend.store, "Bad")
    frontend.receive(book)
    _allow_titles(frontend.store)
    newer = new_book("Better", id=book.id, state=NEWER_STATE)

    second_beside(frontend.store, lambda: frontend.receive(newer), lambda: retry_set_aside(frontend.store))

    assert [(row.id, row.revision) for row in SetAside.select()] == [(book.id, 2)]


def _refuse_title(store: Store, title: str) -> None:
    if store.is_postgresql:
        statement = f"ALTER TABLE book ADD CONSTRAINT bad CHECK (title <> '{title}')"
    else:
        body = "SELECT RAISE(ABORT, 'not here')"
        statement = f"CREATE TRIGGER bad BEFORE INSERT ON book WHEN new.title = '{title}' BEGIN {body}; END"
    store.database.execute_sql(statement)


def _allow_titles(store: Store) -> None:
    store.database.execute_sql("ALTER TABLE book DROP CONSTRAINT bad" if store.is_postgresql else "DROP TRIGGER bad")
