"""Many at once, each thread with a connection of its own: what the database decides, and that it decides it once."""

from __future__ import annotations

import random
import threading
from functools import partial
from uuid import uuid4

import pytest

from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Book, Loan, SyncState, User
from frontend_server.sync.parking import unpark
from frontend_server.sync.resync import begin_resync
from library.v1 import loan_pb2
from library_domain.errors import LoanLimitReached, LoanReturned, NoCopyAvailable, RenewalLimitReached
from service_kit.errors import RequestIdReused
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once, new_book

THREADS = 16


def race(frontends: list[LocalFrontend], rounds: int, *, with_request_ids: bool) -> list[list[object]]:
    """Each frontend tries for the last copy of a book a round, all at the same moment; the outcomes by round."""
    books = [new_book(f"Round {number}") for number in range(rounds)]
    frontends[0].receive(*books)
    users = [frontends[0].user() for _ in frontends]
    outcomes: list[list[object]] = [[] for _ in range(rounds)]
    next_round = threading.Barrier(len(frontends))

    def run(number: int) -> None:
        for book, outcome in zip(books, outcomes, strict=True):
            next_round.wait()
            try:
                request_id = str(uuid4()) if with_request_ids else ""
                outcome.append(frontends[number].borrow(book.id, users[number].id, 14, request_id))
            except Exception as error:  # noqa: BLE001 - the test is to see any error
                outcome.append(error)

    assert at_once(frontends[0].store, [partial(run, number) for number in range(len(frontends))]) == []
    return outcomes


def check_one_winner_each(frontend: LocalFrontend, outcomes: list[list[object]]) -> None:
    for outcome in outcomes:
        lost = [each for each in outcome if not isinstance(each, loan_pb2.Loan)]
        assert len(outcome) - len(lost) == 1
        assert [type(error) for error in lost] == [NoCopyAvailable] * (len(outcome) - 1)
    won = {each.id for outcome in outcomes for each in outcome if isinstance(each, loan_pb2.Loan)}
    assert won == {loan.id for loan in Loan.select()}
    assert len({loan.book_id for loan in Loan.select()}) == len(outcomes) == Loan.select().count()
    frontend.check()


@pytest.mark.parametrize("rounds", [50, pytest.param(1_000, marks=pytest.mark.slow)])
def test_of_16_who_race_for_the_last_copy_one_gets_it_each_time(
    frontend_store: Store, clock: SettableClock, rounds: int
) -> None:
    rules = LendingRules(loan_limit=rounds, daily_fine=DailyFine("EUR", 0))
    frontends = [LocalFrontend(frontend_store, clock, rules) for _ in range(THREADS)]
    check_one_winner_each(frontends[0], race(frontends, rounds, with_request_ids=False))


def test_so_they_do_where_only_the_database_keeps_them_apart(frontend_store: Store, clock: SettableClock) -> None:
    # A store lets one writer of its process at a time to SQLite. Stores of their own are as processes of their own.
    frontends = [LocalFrontend(Store(frontend_store.database, frontend_store.url), clock) for _ in range(THREADS)]
    check_one_winner_each(frontends[0], race(frontends, 30, with_request_ids=True))


def test_no_more_copies_are_lent_than_there_are(frontend: LocalFrontend) -> None:
    book, users = frontend.book(copies=5), [frontend.user() for _ in range(THREADS)]
    for _ in range(20):
        outcomes = at_once(frontend.store, [partial(frontend.borrow, book.id, user.id) for user in users])
        loans = [outcome for outcome in outcomes if isinstance(outcome, loan_pb2.Loan)]
        assert len(loans) == 5
        assert sum(isinstance(outcome, NoCopyAvailable) for outcome in outcomes) == THREADS - 5
        frontend.check()
        at_once(frontend.store, [partial(frontend.bring_back, loan.id) for loan in loans])
        frontend.check()


def test_who_borrows_everywhere_at_once_keeps_to_the_limit(frontend_store: Store, clock: SettableClock) -> None:
    frontend = LocalFrontend(frontend_store, clock, LendingRules(loan_limit=5, daily_fine=DailyFine("EUR", 0)))
    books = [frontend.book() for _ in range(THREADS)]
    for _ in range(20):
        user = frontend.user()
        outcomes = at_once(frontend.store, [partial(frontend.borrow, book.id, user.id) for book in books])
        loans = [outcome for outcome in outcomes if isinstance(outcome, loan_pb2.Loan)]
        assert len(loans) == 5
        assert sum(isinstance(outcome, LoanLimitReached) for outcome in outcomes) == THREADS - 5
        frontend.check()
        for loan in loans:
            frontend.bring_back(loan.id)


@pytest.mark.parametrize("copies", [1, THREADS])
def test_a_request_that_is_there_16_times_at_once_is_done_once_and_all_get_the_loan(
    frontend: LocalFrontend, copies: int
) -> None:
    user = frontend.user()
    for _ in range(20):
        book, request_id = frontend.book(copies=copies), str(uuid4())

        outcomes = at_once(frontend.store, [partial(frontend.borrow, book.id, user.id, 14, request_id)] * THREADS)

        assert all(isinstance(outcome, loan_pb2.Loan) for outcome in outcomes), outcomes
        assert all(outcome == outcomes[0] for outcome in outcomes)
        assert Loan.select().where(Loan.book_id == book.id).count() == 1
    frontend.check()


def test_of_requests_that_race_under_one_id_one_is_done(frontend: LocalFrontend) -> None:
    book, user = frontend.book(copies=10_000), frontend.user()
    for done in range(20):
        request_id = str(uuid4())
        calls = [partial(frontend.borrow, book.id, user.id, days, request_id) for days in range(1, 9)]
        outcomes = at_once(frontend.store, calls)
        assert sum(isinstance(outcome, loan_pb2.Loan) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, RequestIdReused) for outcome in outcomes) == 7
        assert Loan.select().count() == done + 1
    frontend.check()


def test_a_loan_that_is_returned_8_times_at_once_comes_back_once(frontend: LocalFrontend) -> None:
    book, user = frontend.book(copies=2), frontend.user()
    frontend.borrow(book.id, user.id)
    for _ in range(20):
        loan = frontend.borrow(book.id, user.id)
        outcomes = at_once(frontend.store, [partial(frontend.bring_back, loan.id)] * 8)
        assert sum(isinstance(outcome, loan_pb2.Loan) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, LoanReturned) for outcome in outcomes) == 7
        assert Book.get().on_loan == User.get().active_loan_count == 1


def test_a_loan_that_is_renewed_8_times_at_once_is_renewed_three_times(frontend: LocalFrontend) -> None:
    book, user = frontend.book(copies=20), frontend.user()
    for _ in range(20):
        loan = frontend.borrow(book.id, user.id, 1)
        outcomes = at_once(frontend.store, [partial(frontend.renew, loan.id, 1)] * 8)
        assert sum(isinstance(outcome, loan_pb2.Loan) for outcome in outcomes) == 3
        assert sum(isinstance(outcome, RenewalLimitReached) for outcome in outcomes) == 5
        assert frontend.loan(loan.id).days == 4
    frontend.check()


def test_a_crowd_that_borrows_renews_and_returns_leaves_the_books_balanced(frontend: LocalFrontend) -> None:
    books, users = [frontend.book(copies=copies) for copies in (1, 1, 2, 3)], [frontend.user() for _ in range(4)]

    def patron(seed: int) -> None:
        chance = random.Random(seed)
        mine: list[str] = []
        for _ in range(40):
            try:
                if mine and chance.random() < 0.4:
                    frontend.bring_back(mine.pop(chance.randrange(len(mine))))
                elif mine and chance.random() < 0.2:
                    frontend.renew(chance.choice(mine), 1)
                else:
                    mine.append(frontend.borrow(chance.choice(books).id, chance.choice(users).id).id)
            except (NoCopyAvailable, RenewalLimitReached):
                pass

    assert at_once(frontend.store, [partial(patron, seed) for seed in range(THREADS)]) == []
    frontend.check()
    assert Loan.select().count() > 20


def test_lending_goes_on_while_all_rows_are_marked_pending_again(frontend: LocalFrontend) -> None:
    book, users = frontend.book(copies=100), [frontend.user() for _ in range(4)]
    is_over = threading.Event()

    def patron(user_id: str) -> None:
        for _ in range(30):
            loan = frontend.borrow(book.id, user_id)
            frontend.renew(loan.id, 1)
            frontend.bring_back(loan.id)

    def lend() -> None:
        try:
            assert at_once(frontend.store, [partial(patron, user.id) for user in users]) == []
        finally:
            is_over.set()

    def mark() -> None:
        while not is_over.is_set():
            begin_resync(frontend.store, SyncState.get())
            unpark(frontend.store)

    assert at_once(frontend.store, [lend, mark]) == []
    frontend.check()
