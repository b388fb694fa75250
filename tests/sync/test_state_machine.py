"""After any losses, repeats, delays, restarts and restores both sides agree in the end, and nothing is lent twice.

A failure prints the steps that lead to it and the seed that replays it. `LIBRARY_TEST_EXAMPLES=2000` looks longer, and
takes the time to find the fewest steps.
"""

from __future__ import annotations

import os
import random
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import admin_server.store.models as admin_models
import frontend_server.store.models as frontend_models
from admin_server.sync.epochs import decode_cursor
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library_domain.errors import (
    CursorExpired,
)
from library_domain.loans import loan_message, loan_state
from library_domain.users import user_message
from service_kit.clock import micros
from tests.support.stores import Engine, FreshDatabases
from tests.sync import posters, visits
from tests.sync.inventory import InventoryRules
from tests.sync.libraries import Contents, Fault, Library, WireError
from tests.sync.people import WHICH, PeopleRules, Promised
from tests.sync.posters import PosterRules
from tests.sync.rotated_keys import KeyRules
from tests.sync.visits import VisitRules

QUICK: dict[Engine, int] = {"sqlite": 5, "postgresql": 2}
THOROUGH: dict[Engine, int] = {"sqlite": 100, "postgresql": 30}

STEPS = 40

FAULTS = st.lists(st.sampled_from(Fault), max_size=4)


class LibraryMachine(PeopleRules, InventoryRules, KeyRules, PosterRules, VisitRules, RuleBasedStateMachine):
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
        loans = self._loans()
        self.note_assigned_items(loans)
        assert {loan.id: loan for loan in loans} == self._as_of_now(self.promised.loans)
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
        self.agree_on_items_in_the_end()
        self.agree_on_keys_in_the_end()
        self.note_assigned_items(self._loans())
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

    def _as_of_now(self, loans: dict[str, Loan]) -> dict[str, Loan]:
        """The loans with the state that they have by now: one that was promised active may be overdue."""
        return {loan_id: _aged(loan, self.library.clock()) for loan_id, loan in loans.items()}


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
@pytest.mark.parametrize(
    "examples", [pytest.param(QUICK, id="quick"), pytest.param(THOROUGH, id="thorough", marks=pytest.mark.slow)]
)
def test_both_sides_agree_in_the_end(
    library: Library, engine: Engine, chance: random.Random, examples: dict[Engine, int]
) -> None:
    class Machine(LibraryMachine):
        pass

    Machine.library = library
    Machine.empty = library.admin.contents(), library.frontend.contents()
    at_length = int(os.environ.get("LIBRARY_TEST_EXAMPLES") or 0)
    run_state_machine_as_test(
        seed(chance.getrandbits(64))(Machine),
        settings=settings(
            max_examples=at_length or examples[engine],
            phases=[Phase.generate, Phase.shrink] if at_length else [Phase.generate],
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
