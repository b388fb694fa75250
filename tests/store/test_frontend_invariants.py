"""Random lives of a library, compared with a model of its rules that is simple enough to be checked by reading."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import IS_DUE, Book, Loan, User
from library.v1 import book_pb2, loan_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from service_kit.clock import DAY, micros
from service_kit.errors import ServiceError
from service_kit.idempotency import DAYS_KEPT, AnsweredRequest
from service_kit.store import Store
from tests.support.clocks import SettableClock, end_of_day
from tests.support.frontend import LocalFrontend

LOAN_LIMIT = 3
OPERATIONS = ["borrow"] * 5 + ["bring back"] * 3 + ["renew"] * 2 + ["change a book", "wait", "push"]


@dataclass
class ModelLoan:
    """What the model knows of a loan. Times are microseconds since 1970."""

    book_id: str
    user_id: str
    days: int
    due_time: int
    renewals: int = 0
    is_out: bool = True


class Life:
    """A library and the model of it, which get the same calls."""

    def __init__(self, frontend: LocalFrontend, clock: SettableClock, data: DataObject) -> None:
        self.frontend, self.clock, self.data = frontend, clock, data
        self.books: dict[str, book_pb2.Book] = {}
        self.users = [frontend.user().id for _ in range(2)]
        self.loans: dict[str, ModelLoan] = {}
        self.requests: dict[str, tuple[str, tuple[str, str, int]]] = {}
        self.request_times: dict[str, int] = {}
        self.due = {user.id for user in User.select().where(IS_DUE)}
        for copies in (1, 1, 2):
            book = frontend.book(copies=copies)
            self.books[book.id] = book

    def out(self, **those_of: str) -> list[str]:
        """The loans that are out, of a book or of a user."""
        return [
            loan_id
            for loan_id, loan in self.loans.items()
            if loan.is_out and all(getattr(loan, name) == value for name, value in those_of.items())
        ]

    def borrow(self) -> None:
        book_id = self.data.draw(st.sampled_from(sorted(self.books)), "book")
        user_id = self.data.draw(st.sampled_from(self.users), "user")
        days = self.data.draw(st.sampled_from([1, 14, 364]), "days")
        request_id = self.data.draw(st.sampled_from(["", *(str(UUID(int=number)) for number in range(3))]), "request")
        if self.clock.now > self.request_times.get(request_id, self.clock.now) + DAYS_KEPT * DAY:
            request_id = ""  # whether an expired id is known depends on when it is cleaned up
        expected = self.why_not_borrowed(book_id, user_id, days, request_id)

        outcome = self.outcome(lambda: self.frontend.borrow(book_id, user_id, days, request_id))

        if isinstance(outcome, str):
            assert outcome == expected
        elif request_id in self.requests:
            assert (expected, outcome.id) == ("", self.requests[request_id][0]), "a replay lent again"
        else:
            assert expected == ""
            self.loans[outcome.id] = ModelLoan(book_id, user_id, days, end_of_day(self.clock.now, days))
            self.due.add(outcome.id)
            if request_id:
                self.requests[request_id] = outcome.id, (book_id, user_id, days)
                self.request_times[request_id] = self.clock.now

    def why_not_borrowed(self, book_id: str, user_id: str, days: int, request_id: str) -> str:
        if request_id in self.requests:
            return "" if self.requests[request_id][1] == (book_id, user_id, days) else "REQUEST_ID_REUSED"
        book = self.books[book_id]
        if book.state == BOOK_STATE_REMOVED:
            return "BOOK_REMOVED"
        if book.state == BOOK_STATE_UNAVAILABLE:
            return "BOOK_UNAVAILABLE"
        if len(self.out(book_id=book_id)) >= book.total_copies:
            return "NO_COPY_AVAILABLE"
        return "LOAN_LIMIT_REACHED" if len(self.out(user_id=user_id)) == LOAN_LIMIT else ""

    def bring_back(self) -> None:
        if not self.loans:
            return
        loan_id = self.data.draw(st.sampled_from(sorted(self.loans)), "loan")
        loan = self.loans[loan_id]

        outcome = self.outcome(lambda: self.frontend.bring_back(loan_id))

        if not loan.is_out:
            assert outcome == "LOAN_RETURNED"
            return
        assert not isinstance(outcome, str)
        late_days = max(0, self.clock.now // DAY - loan.due_time // DAY)
        assert outcome.fine.units * 10 + outcome.fine.nanos // 100_000_000 == 2 * late_days
        loan.is_out = False
        self.due.add(loan_id)

    def renew(self) -> None:
        if not self.loans:
            return
        loan_id = self.data.draw(st.sampled_from(sorted(self.loans)), "loan")
        days = self.data.draw(st.sampled_from([1, 7, 350]), "days")
        loan = self.loans[loan_id]
        expected = ""
        if not loan.is_out:
            expected = "LOAN_RETURNED"
        elif self.clock.now > loan.due_time:
            expected = "LOAN_OVERDUE"
        elif loan.renewals == 3 or loan.days + days > 365:
            expected = "RENEWAL_LIMIT_REACHED"

        outcome = self.outcome(lambda: self.frontend.renew(loan_id, days))

        assert expected == (outcome if isinstance(outcome, str) else "")
        if not expected:
            loan.days, loan.due_time, loan.renewals = loan.days + days, loan.due_time + days * DAY, loan.renewals + 1
            self.due.add(loan_id)

    def change_a_book(self) -> None:
        book = self.books[self.data.draw(st.sampled_from(sorted(self.books)), "book")]
        states = [BOOK_STATE_ACTIVE, BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED]
        book.state = self.data.draw(st.sampled_from(states), "state")
        # More copies or as many: with fewer the admin may take away what is out, which is not a fault of the lending.
        book.total_copies += self.data.draw(st.integers(0, 1), "new copies")
        self.frontend.receive(book)

    def wait(self) -> None:
        self.clock.advance(days=self.data.draw(st.sampled_from([0.5, 1, 13.5, 30]), "days"))

    def push(self) -> None:
        self.frontend.mark_all_pushed()
        self.due.clear()

    def outcome(self, call: object) -> loan_pb2.Loan | str:
        """The loan, or the reason for which there is none; a refusal must leave the store as it is."""
        assert callable(call)
        before = self.frontend.contents()
        try:
            loan = call()
            assert isinstance(loan, loan_pb2.Loan)
            return loan
        except ServiceError as error:
            assert self.frontend.contents() == before, f"{error.reason} changed something"
            return error.reason

    def check(self) -> None:
        """The store matches the model."""
        self.frontend.check()
        loans = list(Loan.select())
        assert {
            loan.id: ModelLoan(
                loan.book_id, loan.user_id, loan.days, loan.due_time, loan.renewal_count, loan.return_time is None
            )
            for loan in loans
        } == self.loans
        for loan in loans:
            assert (
                loan.due_time == end_of_day(loan.borrow_time, loan.days) == micros(self.frontend.loan(loan.id).due_time)
            )
        # What has changed since it was last pushed waits to be pushed, and nothing else does.
        assert {row.id for model in (User, Loan) for row in model.select().where(IS_DUE)} == self.due


def forget(store: Store) -> None:
    """Take all out of the store that an earlier example has put there."""
    with store.writing():
        for model in (Loan, User, Book, AnsweredRequest):
            model.delete().execute()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), operations=st.lists(st.sampled_from(OPERATIONS), min_size=5, max_size=30))
def test_whatever_happens_the_store_keeps_to_the_rules(
    frontend_store: Store, data: DataObject, operations: list[str]
) -> None:
    forget(frontend_store)
    clock = SettableClock()
    frontend = LocalFrontend(frontend_store, clock, LendingRules(LOAN_LIMIT, DailyFine("EUR", 200_000_000)))
    life = Life(frontend, clock, data)
    happen = {
        "borrow": life.borrow,
        "bring back": life.bring_back,
        "renew": life.renew,
        "change a book": life.change_a_book,
        "wait": life.wait,
        "push": life.push,
    }
    for operation in operations:
        happen[operation]()
        life.check()
