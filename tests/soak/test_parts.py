"""The soak's own judgement: it finds what is lost, done twice, miscounted, rising or logged as an error."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from library.frontend.v1.lending_service_pb2 import (
    BorrowBookRequest,
    ListLoansResponse,
    RenewLoanRequest,
    ReturnBookRequest,
)
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest, UpdateUserRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED, User
from tests.soak import verdict
from tests.soak.desk import Desk
from tests.soak.flatness import trend
from tests.soak.garbling import garbled
from tests.soak.ledger import Ledger
from tests.soak.plot import draw
from tests.soak.recovery import recover
from tests.soak.sampling import Sample
from tests.soak.sending import Outcome

STEADY = [100.0 + number % 3 for number in range(90)]


def test_what_stays_is_flat_and_what_rises_is_not() -> None:
    assert trend("admin 1", "memory", STEADY).is_flat
    assert trend("admin 1", "memory", [10.0, 50.0, *STEADY]).is_flat, "a start is not a leak"
    assert trend("admin 1", "memory", [*STEADY, 900.0, 900.0]).is_flat, "a peak is not a leak"
    assert not trend("admin 1", "memory", [100.0 + 2 * number for number in range(90)]).is_flat
    assert not trend("admin 1", "files", [float(number) for number in range(90)]).is_flat
    assert not trend("admin 1", "threads", [20.0 + number / 2 for number in range(90)]).is_flat
    assert not trend("admin 1", "memory", STEADY[:5]).is_judged


def test_errors_and_tracebacks_are_found_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"level": "info", "event": "answered"}\n{"level": "warning"}\n')
    assert not verdict.faults_in_log("admin", log)
    log.write_text('{"event": "x", "level": "error"}\n')
    assert verdict.faults_in_log("admin", log)
    log.write_text('{"event": "store unavailable", "level": "error"}\n')
    assert verdict.faults_in_log("admin", log)
    assert not verdict.faults_in_log("admin", log, store_was_killed=True)
    log.write_text("Traceback (most recent call last):\n")
    assert verdict.faults_in_log("admin", log)


USER = User(id=str(uuid.UUID(int=1)), email="a@example.org", first_name="Ada", state=USER_STATE_ACTIVE)
BOOK = Book(id=str(uuid.UUID(int=2)), title="Emma", total_copies=1, state=BOOK_STATE_ACTIVE)
LOAN = Loan(id=str(uuid.UUID(int=3)), book_id=BOOK.id, user_id=USER.id, days=7)
LOAN.borrow_time.FromSeconds(1_000)


class Books:
    """A ledger, and what both services hold: one user with one loan of one book."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        for each in (USER, BOOK, LOAN):
            self.ledger.note(each)
        self.user, self.book, self.loan = User(), Book(), Loan()
        self.user.CopyFrom(USER)
        self.user.active_loan_count = 1
        self.book.CopyFrom(BOOK)
        self.loan.CopyFrom(LOAN)
        self.others: list[Any] = []
        self.counted = (1, 1, 1, 1)

    def faults(self) -> list[str]:
        """What the verdict finds, but for the status calls."""
        users = {each.id: each for each in [self.user, *self.others] if isinstance(each, User)}
        loans = {each.id: each for each in [self.loan, *self.others] if isinstance(each, Loan)}
        status = SimpleNamespace(
            **dict(zip(("book_count", "user_count", "loan_count", "open_loan_count"), self.counted, strict=True))
        )
        sync = SimpleNamespace(parked_row_count=0, set_aside_count=0, book_count=1)
        holdings: Any = SimpleNamespace(
            users=users,
            recorded_users=users,
            loans=loans,
            recorded_loans=loans,
            books={self.book.id: self.book},
            replica={self.book.id: self.book},
            in_service={self.book.id: {"an item"}},
            admin=SimpleNamespace(status=SimpleNamespace(GetStatus=lambda request, timeout: status)),
            frontend=SimpleNamespace(sync=SimpleNamespace(GetSyncStatus=lambda request, timeout: sync)),
        )
        return verdict.faults_of(holdings, self.ledger)


@pytest.fixture
def books() -> Books:
    return Books()


def test_rows_as_acknowledged_have_no_fault(books: Books) -> None:
    assert books.faults() == []


def test_an_acknowledged_row_that_is_missing_is_lost(books: Books) -> None:
    books.ledger.note(User(id=str(uuid.UUID(int=9)), email="lost@example.org"))
    assert [fault[:4] for fault in books.faults()] == ["lost"]


def test_a_change_that_was_acknowledged_and_is_gone_is_found(books: Books) -> None:
    books.ledger.users[USER.id].last.first_name = "Augusta"
    assert len(books.faults()) == 1


def another_loan(number: int) -> Loan:
    loan = Loan(id=str(uuid.UUID(int=number)), book_id=BOOK.id, user_id=USER.id, days=7)
    loan.borrow_time.FromSeconds(10 * number)
    loan.return_time.FromSeconds(10 * number + 5)
    return loan


def test_a_loan_that_was_not_acknowledged_needs_a_call_of_unknown_outcome(books: Books) -> None:
    books.others, books.counted = [another_loan(4)], (1, 1, 2, 1)
    assert len(books.faults()) == 1
    books.ledger.maybe_made.append(BorrowBookRequest(book_id=BOOK.id, user_id=USER.id, days=7))
    assert books.faults() == []
    books.others, books.counted = [another_loan(4), another_loan(5)], (1, 1, 3, 1)
    assert len(books.faults()) == 1, "one call, two loans"


def test_a_user_that_was_not_acknowledged_needs_a_call_of_unknown_outcome(books: Books) -> None:
    books.others, books.counted = [User(id=str(uuid.UUID(int=8)), email="b@example.org")], (1, 2, 1, 1)
    assert len(books.faults()) == 1
    books.ledger.maybe_made.append(EnrollUserRequest(email="B@example.org"))
    assert books.faults() == []


def test_a_copy_that_is_lent_twice_is_found(books: Books) -> None:
    other = another_loan(4)
    other.ClearField("return_time")
    books.ledger.note(other)
    books.others, books.counted, books.user.active_loan_count = [other], (1, 1, 2, 2), 2
    (fault,) = books.faults()
    assert "2 of 1 copies" in fault


@pytest.mark.parametrize("wrong", ["user", "book", "status"])
def test_a_wrong_count_is_found(books: Books, wrong: str) -> None:
    if wrong == "user":
        books.user.active_loan_count = 2
    elif wrong == "book":
        books.book.available_copies = 1
    else:
        books.counted = (1, 1, 1, 2)
    assert books.faults()


def test_a_renewal_of_unknown_outcome_is_done_at_most_once(books: Books) -> None:
    books.ledger.loans[LOAN.id].maybe = RenewLoanRequest(loan_id=LOAN.id, days=5)
    assert books.faults() == []
    books.loan.days, books.loan.renewal_count = 12, 1
    assert books.faults() == []
    books.loan.days, books.loan.renewal_count = 17, 2
    assert len(books.faults()) == 1


def test_a_return_of_unknown_outcome_only_returns(books: Books) -> None:
    books.ledger.loans[LOAN.id].maybe = ReturnBookRequest(loan_id=LOAN.id)
    books.loan.return_time.FromSeconds(2_000)
    books.user.active_loan_count, books.book.available_copies, books.counted = 0, 1, (1, 1, 1, 0)
    assert books.faults() == []
    books.loan.renewal_count = 1
    assert len(books.faults()) == 1


def test_a_user_change_of_unknown_outcome_is_that_change(books: Books) -> None:
    update = UpdateUserRequest(user=User(id=USER.id, first_name="Augusta"))
    update.update_mask.paths.append("first_name")
    books.ledger.users[USER.id].maybe = update
    books.user.first_name = "Augusta"
    assert books.faults() == []
    books.user.first_name = "Grace"
    assert len(books.faults()) == 1
    books.ledger.users[USER.id].maybe = CloseUserRequest(id=USER.id)
    books.user.first_name, books.user.state = "Ada", USER_STATE_CLOSED
    assert books.faults() == []


def test_garbled_requests_can_be_sent_and_keep_their_request_id() -> None:
    chance = random.Random(7)
    good = UpdateUserRequest(user=USER, request_id=str(uuid.UUID(int=5)))
    bad = [garbled(good, chance) for _ in range(300)]
    assert all(each.SerializeToString() for each in bad)
    assert {each.request_id for each in bad} == {good.request_id}
    assert len({each.SerializeToString() for each in bad}) > 100


def test_a_drawing_has_a_line_for_each_process_and_each_kill(tmp_path: Path) -> None:
    samples = [Sample(float(at), "admin 1", {"memory": 100.0, "files": 10.0, "threads": 5.0}) for at in range(30)]
    samples += [Sample(float(at), "admin's store", {"store": 1.0, "log": 2.0}) for at in range(30)]
    path = tmp_path / "soak" / "drawing.svg"
    draw(path, "a < b", samples, [(10.0, "admin"), (12.0, "postgresql")], calm=20.0)
    drawing = path.read_text()
    assert drawing.count("<polyline") == 5
    assert drawing.count("stroke-dasharray") == 2 * 5
    assert "a &lt; b" in drawing


def recovered(books: Books, maybe: Any, answers: list[Outcome]) -> str:
    """Recover with a loan of unknown state or a borrow of unknown outcome, against these answers."""
    if isinstance(maybe, BorrowBookRequest):
        books.ledger.maybe_made.append(maybe)
    else:
        books.ledger.loans[LOAN.id].maybe = maybe
    desk = Desk(random.Random(7), books.ledger, [BOOK], [], 1)
    return recover(desk, lambda name, plan: (answers.pop(0), True))


def returned(**fields: Any) -> Loan:
    loan = Loan()
    loan.CopyFrom(LOAN)
    loan.MergeFrom(Loan(**fields))
    loan.return_time.FromSeconds(2_000)
    return loan


def test_a_loan_of_unknown_state_is_known_when_it_was_returned(books: Books) -> None:
    assert recovered(books, RenewLoanRequest(loan_id=LOAN.id, days=5), [Outcome("OK", answer=returned())]) == ""
    assert books.ledger.loans[LOAN.id].is_settled
    assert books.ledger.loans[LOAN.id].last.HasField("return_time")


def test_a_loan_that_was_renewed_twice_is_found_when_it_is_returned(books: Books) -> None:
    renewal = RenewLoanRequest(loan_id=LOAN.id, days=5)
    assert recovered(books, renewal, [Outcome("OK", answer=returned(days=12, renewal_count=1))]) == ""
    assert recovered(Books(), renewal, [Outcome("OK", answer=returned(days=17, renewal_count=2))])


def test_a_loan_that_came_back_without_a_return_is_found(books: Books) -> None:
    refused = Outcome("FAILED_PRECONDITION", "LOAN_RETURNED")
    assert recovered(books, RenewLoanRequest(loan_id=LOAN.id, days=5), [refused])
    known = [refused, Outcome("OK", answer=returned())]
    assert recovered(Books(), ReturnBookRequest(loan_id=LOAN.id), known) == ""


def test_a_return_that_got_lost_may_have_been_done(books: Books) -> None:
    loan = books.ledger.loans[LOAN.id]
    loan.maybe = RenewLoanRequest(loan_id=LOAN.id, days=5)
    desk = Desk(random.Random(7), books.ledger, [BOOK], [], 1)
    assert recover(desk, lambda name, plan: (Outcome("UNAVAILABLE"), False)) == ""
    books.loan = returned(days=12, renewal_count=1)
    books.user.active_loan_count, books.book.available_copies, books.counted = 0, 1, (1, 1, 1, 0)
    assert books.faults() == []
    answers = [Outcome("FAILED_PRECONDITION", "LOAN_RETURNED"), Outcome("OK", answer=books.loan)]
    assert recover(desk, lambda name, plan: (answers.pop(0), True)) == ""
    assert loan.is_settled


def test_a_loan_that_may_have_been_made_is_adopted_once(books: Books) -> None:
    borrow = BorrowBookRequest(book_id=BOOK.id, user_id=USER.id, days=7)
    listed = Outcome("OK", answer=ListLoansResponse(loans=[LOAN, another_loan(4)]))
    assert recovered(books, borrow, [listed]) == ""
    assert books.ledger.loans.keys() == {LOAN.id, another_loan(4).id}
    assert not books.ledger.maybe_made
