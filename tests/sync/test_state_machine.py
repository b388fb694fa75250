"""After any losses, repeats, delays, restarts and restores both sides agree in the end, and nothing is lent twice.

A failure prints the steps that lead to it and the seed that replays it. `LIBRARY_TEST_EXAMPLES=2000` looks longer, and
takes the time to find the fewest steps.
"""

from __future__ import annotations

import contextlib
import os
import random
import uuid
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import admin_server.store.models as admin_models
import frontend_server.store.models as frontend_models
from admin_server.books.catalog import add_book, remove_book, update_book
from admin_server.intake.imports import import_books
from admin_server.sync.epochs import decode_cursor
from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.checkout import borrow_book
from frontend_server.circulation.renewal import renew_loan
from frontend_server.members.members import close_user, enroll_user, update_user
from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    ImportBooksRequest,
    RemoveBookRequest,
    UpdateBookRequest,
)
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, RenewLoanRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest, UpdateUserRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import USER_STATE_CLOSED, User
from library_domain.errors import (
    BookOnLoan,
    BookRemoved,
    BookUnavailable,
    CursorExpired,
    LoanLimitReached,
    LoanOverdue,
    LoanReturned,
    NoCopyAvailable,
    RenewalLimitReached,
    UserClosed,
    UserHasLoans,
)
from library_domain.loans import loan_message, loan_state
from library_domain.users import user_message
from service_kit.clock import micros
from tests.support.stores import Engine, FreshDatabases
from tests.sync import posters, visits
from tests.sync.libraries import RULES, Contents, Fault, Library, WireError
from tests.sync.posters import PosterRules
from tests.sync.visits import VisitRules

EXAMPLES: dict[Engine, int] = {"sqlite": 40, "postgresql": 12}
STEPS = 40

FAULTS = st.lists(st.sampled_from(Fault), max_size=4)
WHICH = st.integers(0, 30)
"""An index into the existing rows, modulo their number."""


@dataclass
class Promised:
    """What the frontend has acknowledged to its patrons, as they remember it."""

    users: dict[str, User] = field(default_factory=dict)
    loans: dict[str, Loan] = field(default_factory=dict)
    requests: dict[str, tuple[BorrowBookRequest, str]] = field(default_factory=dict)

    def copy(self) -> Promised:
        return replace(self, users=dict(self.users), loans=dict(self.loans), requests=dict(self.requests))


class LibraryMachine(PosterRules, VisitRules, RuleBasedStateMachine):
    """Librarians, patrons, the sync, and misfortunes, in any order."""

    library: Library
    empty: tuple[Contents, Contents]

    def __init__(self) -> None:
        super().__init__()
        library = self.library
        library.admin.put_back(self.empty[0])
        library.frontend.put_back(self.empty[1])
        library.wire.faults.clear()
        library.wire.late.clear()
        library.wire.meanwhile = self._meanwhile
        library.start_admin()
        library.start_frontend()
        self.promised = Promised()
        self.made = 0
        self.admin_backups: list[Contents] = []
        self.frontend_backups: list[tuple[Contents, Promised]] = []
        self.happening: list[str] = []
        self.loans_lost_by_restoring: set[str] = set()

    def _number(self) -> int:
        self.made += 1
        return self.made

    # --- librarians ---

    @initialize(copies=st.lists(st.integers(1, 2), min_size=1, max_size=3))
    def begin_with_books_and_a_user(self, copies: list[int]) -> None:
        for count in copies:
            self.add_book(count)
        self.enroll()

    @rule(copies=st.integers(1, 2))
    def add_book(self, copies: int) -> None:
        request = AddBookRequest(title=f"Book {self._number()}", authors=["Anne Author"], copies=copies)
        with self.library.admin.at_work() as store:
            add_book(store, request, self.library.clock)

    @rule(count=st.integers(1, 4))
    def import_books(self, count: int) -> None:
        rows = [
            ImportBooksRequest(line=line, book=AddBookRequest(title=f"Book {self._number()}", copies=1))
            for line in range(1, count + 1)
        ]
        with self.library.admin.at_work() as store:
            import_books(store, rows, self.library.clock)

    @rule(which=WHICH, copies=st.integers(0, 3) | st.none(), circulates=st.booleans())
    def update_book(self, which: int, copies: int | None, circulates: bool) -> None:
        book_id = self._pick(which, self.library.catalogue())
        if book_id is None:
            return
        book = Book(id=book_id, title=f"Book {self._number()}")
        book.state = BOOK_STATE_ACTIVE if circulates else BOOK_STATE_UNAVAILABLE
        paths = ["title", "state"]
        if copies:
            book.total_copies = copies
            paths.append("total_copies")
        with self.library.admin.at_work() as store:
            update_book(store, UpdateBookRequest(book=book, update_mask=FieldMask(paths=paths)), self.library.clock)

    @rule(which=WHICH, withdraw=st.booleans())
    def remove_book(self, which: int, withdraw: bool) -> None:
        book_id = self._pick(which, self.library.catalogue())
        if book_id is None:
            return
        with self.library.admin.at_work() as store:
            out = admin_models.Book.get(admin_models.Book.id == book_id).on_loan
            try:
                remove_book(store, RemoveBookRequest(id=book_id, withdraw=withdraw), self.library.clock)
            except BookOnLoan:
                assert out
                assert not withdraw
            else:
                assert withdraw or not out

    # --- patrons ---

    @rule()
    def enroll(self) -> None:
        number = self._number()
        request = EnrollUserRequest(
            email=f"reader{number}@example.org",
            first_name="Rita",
            last_name="Reader",
            request_id=str(uuid.UUID(int=number)),
        )
        with self.library.frontend.at_work() as store:
            user = enroll_user(store, request, self.library.clock)
            assert enroll_user(store, request, self.library.clock) == user
        self._promise(user)

    @rule(which=WHICH, with_email=st.booleans())
    def update_user(self, which: int, with_email: bool) -> None:
        user_id = self._pick(which, self.promised.users)
        if user_id is None:
            return
        user = User(id=user_id, last_name=f"Reader {self._number()}")
        if with_email:
            user.email = f"reader{self._number()}@example.org"
        with self.library.frontend.at_work() as store:
            try:
                self._promise(update_user(store, UpdateUserRequest(user=user), self.library.clock))
            except UserClosed:
                assert self.promised.users[user_id].state == USER_STATE_CLOSED

    @rule(which=WHICH)
    def close_user(self, which: int) -> None:
        user_id = self._pick(which, self.promised.users)
        if user_id is None:
            return
        has_loans = any(loan.user_id == user_id and not loan.HasField("return_time") for loan in self._loans())
        with self.library.frontend.at_work() as store:
            try:
                self._promise(close_user(store, CloseUserRequest(id=user_id), self.library.clock))
            except UserHasLoans:
                assert has_loans
            else:
                assert not has_loans

    def _promise(self, user: User) -> None:
        """Remember a user as the frontend acknowledged it, without what it does not push."""
        pushed = User()
        pushed.CopyFrom(user)
        pushed.ClearField("etag")
        pushed.ClearField("active_loan_count")
        self.promised.users[user.id] = pushed

    @rule(which_book=WHICH, which_user=WHICH, days=st.integers(1, 20), twice=st.booleans())
    def borrow(self, which_book: int, which_user: int, days: int, twice: bool) -> None:
        with self.library.frontend.at_work() as store:
            book_id = self._pick(which_book, [row.id for row in frontend_models.Book.select()])
            user_id = self._pick(which_user, self.promised.users)
            if book_id is None or user_id is None:
                return
            before = frontend_models.Book.get(frontend_models.Book.id == book_id)
            free = before.state == BOOK_STATE_ACTIVE and before.on_loan < before.total_copies
            request_id = str(uuid.UUID(int=self._number()))
            request = BorrowBookRequest(book_id=book_id, user_id=user_id, days=days, request_id=request_id)
            try:
                loan = borrow_book(store, request, RULES, self.library.clock)
            except (NoCopyAvailable, BookRemoved, BookUnavailable):
                assert not free
                return
            except LoanLimitReached:
                assert sum(loan.user_id == user_id and not loan.HasField("return_time") for loan in self._loans()) == 6
                return
            except UserClosed:
                assert self.promised.users[user_id].state == USER_STATE_CLOSED
                return
            assert free, "a copy was lent that was not there"
            assert self.promised.users[user_id].state != USER_STATE_CLOSED
            if twice:
                assert borrow_book(store, request, RULES, self.library.clock) == loan
        self.promised.loans[loan.id] = loan

    @rule(which=WHICH)
    def return_book(self, which: int) -> None:
        loan_id = self._pick(which, self.promised.loans)
        if loan_id is None:
            return
        with self.library.frontend.at_work() as store:
            try:
                self.promised.loans[loan_id] = return_book(
                    store, ReturnBookRequest(loan_id=loan_id), RULES, self.library.clock
                )
            except LoanReturned:
                assert self.promised.loans[loan_id].HasField("return_time")

    @rule(which=WHICH, days=st.integers(1, 5))
    def renew(self, which: int, days: int) -> None:
        loan_id = self._pick(which, self.promised.loans)
        if loan_id is None:
            return
        with self.library.frontend.at_work() as store:
            request = RenewLoanRequest(loan_id=loan_id, days=days)
            with contextlib.suppress(LoanReturned, LoanOverdue, RenewalLimitReached):
                self.promised.loans[loan_id] = renew_loan(store, request, RULES, self.library.clock)

    @rule(days=st.sampled_from([0.01, 3, 15]))
    def wait(self, days: float) -> None:
        self.library.clock.advance(days=days)

    # --- the sync, and what becomes of its calls ---

    @rule(
        faults=FAULTS,
        happening=st.lists(st.sampled_from(["pull", "push", "borrow", "return", "admin back"]), max_size=2),
    )
    def pull(self, faults: list[Fault], happening: list[str]) -> None:
        self._with_faults(faults, happening, self.library.pull)

    @rule(
        faults=FAULTS,
        happening=st.lists(st.sampled_from(["pull", "push", "borrow", "return", "admin back"]), max_size=2),
    )
    def push(self, faults: list[Fault], happening: list[str]) -> None:
        self._with_faults(faults, happening, self.library.push)

    @rule()
    def sync_well(self) -> None:
        """What most often happens: nothing fails."""
        self.library.pull()
        self.library.push()

    @precondition(lambda self: self.library.wire.late)
    @rule(which=WHICH)
    def deliver_late(self, which: int) -> None:
        late = self.library.wire.late
        try:
            late.pop(which % len(late))()
        except WireError as error:  # nobody hears the answer
            assert "CURSOR_EXPIRED" in str(error.trailing_metadata()) or self.is_of_a_torn_visit(error)

    def _with_faults(self, faults: list[Fault], happening: list[str], work: Any) -> None:
        wire = self.library.wire
        wire.faults.clear()
        wire.faults.extend(faults)
        self.happening = list(happening)
        try:
            work()
        except WireError as error:
            # A pull begins again once; an admin that is restored after that ends it, and the next pull goes on.
            is_restored = "admin back" in happening and "CURSOR_EXPIRED" in str(error.trailing_metadata())
            is_expected = error.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or self.is_of_a_torn_visit(error)
            assert is_restored or is_expected, error
        wire.faults.clear()

    def _meanwhile(self) -> None:
        """While a reply is on its way: another process of the frontend syncs, or the admin is restored."""
        wire = self.library.wire
        pending, self.happening = self.happening, []
        faults = list(wire.faults)
        wire.faults.clear()
        for what in pending:
            if what == "pull":
                self.library.pull()
            elif what == "push":
                self.library.push()
            elif what == "borrow":
                self.borrow(1, 0, 7, False)
            elif what == "return":
                self.return_book(0)
            elif self.admin_backups:
                self.restore_admin(0)
        wire.faults.extend(faults)

    # --- misfortunes ---

    @rule()
    def restart_admin(self) -> None:
        self.library.start_admin()

    @rule()
    def restart_frontend(self) -> None:
        self.library.start_frontend()

    @rule()
    def back_up_admin(self) -> None:
        self.admin_backups.append(self.library.admin.contents())

    @precondition(lambda self: self.admin_backups)
    @rule(which=WHICH)
    def restore_admin(self, which: int) -> None:
        self.library.admin.put_back(self.admin_backups[which % len(self.admin_backups)])
        self.library.start_admin()

    @rule()
    def back_up_frontend(self) -> None:
        self.frontend_backups.append((self.library.frontend.contents(), self.promised.copy()))

    @precondition(lambda self: self.frontend_backups)
    @rule(which=WHICH)
    def restore_frontend(self, which: int) -> None:
        # The process that sent them is gone, and its connection with it, long before the backup is in its place.
        self.library.wire.late.clear()
        contents, promised = self.frontend_backups[which % len(self.frontend_backups)]
        self.library.frontend.put_back(contents)
        self.loans_lost_by_restoring |= self.promised.loans.keys() - promised.loans.keys()
        self.promised = promised.copy()
        self.library.start_frontend()

    # --- what is always true ---

    @invariant()
    def every_promise_is_kept(self) -> None:
        assert {loan.id: loan for loan in self._loans()} == self._as_of_now(self.promised.loans)
        with self.library.frontend.at_work():
            users = {row.id: user_message(row, 0) for row in frontend_models.User.select()}
        assert users == self.promised.users

    @invariant()
    def copies_and_places_are_counted(self) -> None:
        open_loans = [loan for loan in self._loans() if not loan.HasField("return_time")]
        of_book = Tally(loan.book_id for loan in open_loans)
        of_user = Tally(loan.user_id for loan in open_loans)
        with self.library.frontend.at_work():
            for book in frontend_models.Book.select():
                assert book.on_loan == of_book[book.id]
            for user in frontend_models.User.select():
                assert user.active_loan_count == of_user[user.id]

    @invariant()
    def the_cursor_passes_nothing_unapplied(self) -> None:
        with self.library.frontend.at_work():
            state = frontend_models.SyncState.get()
            rows = {row.id: (row.generation, bytes(row.message)) for row in frontend_models.Book.select()}
        with self.library.admin.at_work():
            try:
                reached = decode_cursor(state.cursor, "cursor")
            except CursorExpired:
                return
            book = admin_models.Book
            seen = list(book.select().where(book.revision <= reached))
        for row in seen:
            generation, message = rows[row.id]
            assert generation == state.generation or not state.resyncing
            replica = Book.FromString(message)
            assert (replica.title, replica.total_copies, replica.state) == (row.title, row.total_copies, row.state)

    def teardown(self) -> None:
        try:
            self._agree_in_the_end()
        finally:
            self.library.wire.late.clear()

    def _agree_in_the_end(self) -> None:
        library = self.library
        while library.wire.late:
            self.deliver_late(0)
        self.agree_on_posters_in_the_end()
        self.agree_on_visits_in_the_end()
        assert library.replica() == library.catalogue()
        with library.admin.at_work():
            users = [user_message(row, 0) for row in admin_models.User.select()]
            loans = [loan_message(row, library.clock()) for row in admin_models.Loan.select()]
            copies_out = {row.id: row.on_loan for row in admin_models.Book.select()}
        known = {user.id: user for user in users}
        assert {user_id: known[user_id] for user_id in self.promised.users} == self.promised.users
        recorded = {loan.id: loan for loan in loans}
        assert len(recorded) == len(loans)
        assert {loan_id: recorded[loan_id] for loan_id in self.promised.loans} == self._as_of_now(self.promised.loans)
        # Loans that only a lost frontend store knew stay in the reports: they happened.
        assert recorded.keys() - self.promised.loans.keys() <= self.loans_lost_by_restoring
        open_loans = Tally(loan.book_id for loan in loans if not loan.HasField("return_time"))
        assert copies_out == {book_id: open_loans[book_id] for book_id in copies_out}
        with library.frontend.at_work():
            waiting = frontend_models.IS_DUE
            assert not frontend_models.User.select().where(waiting).count()
            assert not frontend_models.Loan.select().where(waiting).count()

    def _loans(self) -> list[Loan]:
        with self.library.frontend.at_work():
            return [loan_message(row, self.library.clock()) for row in frontend_models.Loan.select()]

    def _as_of_now(self, loans: dict[str, Loan]) -> dict[str, Loan]:
        """The loans with the state that they have by now: one that was promised active may be overdue."""
        return {loan_id: _aged(loan, self.library.clock()) for loan_id, loan in loans.items()}

    def _pick(self, which: int, ids: Any) -> str | None:
        names = sorted(ids)
        return names[which % len(names)] if names else None


def _aged(loan: Loan, now: int) -> Loan:
    aged = Loan()
    aged.CopyFrom(loan)
    if not loan.HasField("return_time"):
        aged.state = loan_state(micros(loan.due_time), None, now)
    return aged


@pytest.fixture(scope="module")
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    # So few rows that a page or batch seldom contains all, and faults hit between them.
    more_tables = {side: [*posters.TABLES[side], *visits.TABLES[side]] for side in posters.TABLES}
    library = Library(databases, engine, start=False, page_size=2, batch_rows=2, more_tables=more_tables)
    library.listed_kinds = posters.LISTED
    yield library
    library.close()


@pytest.mark.timeout(0)  # each example ends; LIBRARY_TEST_EXAMPLES sets their number
def test_both_sides_agree_in_the_end(library: Library, engine: Engine, chance: random.Random) -> None:
    class Machine(LibraryMachine):
        pass

    Machine.library = library
    Machine.empty = library.admin.contents(), library.frontend.contents()
    at_length = int(os.environ.get("LIBRARY_TEST_EXAMPLES") or 0)
    run_state_machine_as_test(
        seed(chance.getrandbits(64))(Machine),
        settings=settings(
            max_examples=at_length or EXAMPLES[engine],
            phases=[Phase.generate, Phase.shrink] if at_length else [Phase.generate],
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
