"""Pages of the catalogue in any order, while users borrow: the replicas end as the admin sent them, all counts right.

In addition to the store, a model has the newest version of each row that the admin sent. A failure prints its steps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from google.type.date_pb2 import Date
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from frontend_server.circulation.current_policy import current_policy
from frontend_server.store.models import (
    MODELS,
    Book,
    CirculationRule,
    Item,
    LibrarySettings,
    Loan,
    SetAside,
    StaffRole,
    SyncState,
)
from library.access.v1.access_pb2 import ROLE_MANAGER, ROLE_PATRON
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.book_pb2 import Book as BookMessage
from library.v1.circulation_rule_pb2 import CirculationRule as RuleMessage
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_STATE_WITHDRAWN
from library.v1.item_pb2 import Item as ItemMessage
from library.v1.library_settings_pb2 import LibrarySettings as SettingsMessage
from library.v1.staff_pb2 import StaffRole as RoleMessage
from service_kit.errors import ServiceError
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.frontend import RULES, LocalFrontend
from tests.support.stores import Engine, FreshDatabases, bound_store

QUICK: dict[Engine, int] = {"sqlite": 3, "postgresql": 1}
THOROUGH: dict[Engine, int] = {"sqlite": 100, "postgresql": 40}

WHICH = st.integers(0, 30)


def ids(of: int, count: int) -> st.SearchStrategy[str]:
    return st.integers(1, count).map(lambda number: str(UUID(int=100 * of + number)))


BOOKS = st.builds(
    BookMessage,
    id=ids(1, 4),
    title=st.sampled_from(["Emma", "Persuasion", ""]),  # one without a title cannot be applied
    total_copies=st.integers(0, 3),
    state=st.sampled_from([BOOK_STATE_ACTIVE, BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED]),
)
ITEMS = st.builds(
    ItemMessage,
    id=ids(2, 8),
    book_id=ids(1, 4),
    barcode=st.sampled_from(["A", "B", "C", ""]),  # without one, it cannot be applied unless it is withdrawn
    state=st.sampled_from([1, 1, 1, 2, 3, 4, 5, 9]),
)
CIRCULATION_RULES = st.builds(
    RuleMessage,
    id=ids(3, 3),
    item_type=st.sampled_from(["DVD", "Map"]),
    loan_days=st.integers(1, 9),
    deleted=st.booleans(),
    term_fixed_date=st.sampled_from([None, None, Date(year=2026, month=2, day=30)]),
)
SETTINGS = st.builds(SettingsMessage, loan_limit=st.integers(1, 9))
ROLES = st.builds(RoleMessage, user_id=ids(4, 3), role=st.sampled_from([ROLE_PATRON, ROLE_MANAGER, 9]))
ROWS = st.one_of(BOOKS, ITEMS, ITEMS, CIRCULATION_RULES, SETTINGS, ROLES)


def name_of(row: Any) -> tuple[str, str]:
    return type(row).__name__, row.user_id if isinstance(row, RoleMessage) else getattr(row, "id", "settings")


def is_fit(row: Any) -> bool:
    if isinstance(row, BookMessage):
        return bool(row.title) or row.state == BOOK_STATE_REMOVED
    if isinstance(row, ItemMessage):
        return row.state == ITEM_STATE_WITHDRAWN or (bool(row.barcode) and row.state < ITEM_STATE_WITHDRAWN)
    if isinstance(row, RoleMessage):
        return row.role in (ROLE_PATRON, ROLE_MANAGER)
    return not (isinstance(row, RuleMessage) and row.HasField("term_fixed_date"))


class Pages(RuleBasedStateMachine):
    """An admin that sends pages, and users who borrow what they find."""

    store: Store
    clock: SettableClock

    def __init__(self) -> None:
        super().__init__()
        with self.store.writing():
            for model in MODELS:
                if model._meta.table_name != "counter":
                    model.delete().execute()
        self.frontend = LocalFrontend(self.store, self.clock)
        self.frontend.receive()
        self.newest: dict[tuple[str, str], Any] = {}
        """The newest version of each row that the admin sent."""
        self.users = [self.frontend.user() for _ in range(2)]

    @rule(rows=st.lists(ROWS, min_size=1, max_size=6, unique_by=name_of))
    def page(self, rows: list[Any]) -> None:
        self.frontend.receive(*rows)
        self.newest.update((name_of(row), row) for row in rows)

    @rule(lost=st.sets(WHICH, max_size=3), chance=st.randoms(use_true_random=False))
    def full_reading(self, lost: set[int], chance: random.Random) -> None:
        """Begin again at an admin that was restored, and lacks some rows."""
        rows = [row for number, row in enumerate(self.newest.values()) if number not in lost]
        chance.shuffle(rows)
        SyncState.update(generation=SyncState.generation + 1, resyncing=True).execute()
        for place in range(0, len(rows), 3):
            self.frontend.receive(*rows[place : place + 3], has_more=True)
            self.frontend.check(are_copies_kept=False)
        self.frontend.receive()
        self.newest = {name_of(row): row for row in rows}

    @rule(which=WHICH, whose=st.integers(0, 1))
    def borrow(self, which: int, whose: int) -> None:
        books = list(Book.select().order_by(Book.id))
        if not books:
            return
        book = books[which % len(books)]
        try:
            self.frontend.borrow(book.id, self.users[whose].id)
        except ServiceError:
            assert book.state != BOOK_STATE_ACTIVE or not book.free_copies or self.is_at_limit(whose)
        else:
            assert book.state == BOOK_STATE_ACTIVE
            assert book.free_copies > 0

    def is_at_limit(self, whose: int) -> bool:
        with self.store.writing():
            limit = current_policy(RULES).loan_limit
        return Loan.select().where(Loan.user_id == self.users[whose].id, Loan.return_time.is_null()).count() >= limit

    @rule(which=WHICH)
    def bring_back(self, which: int) -> None:
        out = list(Loan.select().where(Loan.return_time.is_null()).order_by(Loan.key))
        if out:
            self.frontend.bring_back(out[which % len(out)].id)

    @invariant()
    def all_is_counted(self) -> None:
        self.frontend.check(are_copies_kept=False)
        out = {item.id for item in Item.select() if item.place == ITEM_PLACE_ON_LOAN}
        assert out == {loan.item_id for loan in Loan.select() if loan.return_time is None and loan.item_id}

    @invariant()
    def each_row_is_applied_or_set_aside(self) -> None:
        kinds = {"Book": "book", "Item": "item", "CirculationRule": "rule", "StaffRole": "staff_role"}
        unfit = {(kinds[kind], row_id) for (kind, row_id), row in self.newest.items() if not is_fit(row)}
        assert {(row.kind, row.id) for row in SetAside.select()} == unfit
        items = {row.id: ItemMessage.FromString(row.message) for row in Item.select()}
        sent = {row_id: row for (kind, row_id), row in self.newest.items() if kind == "Item"}
        for item_id, item in sent.items():
            if is_fit(item):
                assert items[item_id] == item
            elif item_id in items:
                withdrawn = item.state == ITEM_STATE_WITHDRAWN
                assert items[item_id].state in ((ITEM_STATE_WITHDRAWN,) if withdrawn else range(2, 6))
        assert all(Item.get(Item.id == gone).state == ITEM_STATE_WITHDRAWN for gone in items.keys() - sent.keys())

    @invariant()
    def roles_are_the_newest_or_none(self) -> None:
        sent = {row_id: row for (kind, row_id), row in self.newest.items() if kind == "StaffRole"}
        stored = {row.id: RoleMessage.FromString(row.message) for row in StaffRole.select()}
        assert stored == {user_id: row for user_id, row in sent.items() if is_fit(row)}

    @invariant()
    def the_policy_is_the_newest(self) -> None:
        sent = {row_id: row for (kind, row_id), row in self.newest.items() if kind == "CirculationRule"}
        stored = {row.id: RuleMessage.FromString(row.message) for row in CirculationRule.select()}
        for rule_id, message in sent.items():
            if message.deleted:
                assert rule_id not in stored
            elif is_fit(message):
                assert stored[rule_id] == message
        assert stored.keys() <= sent.keys()
        limit = self.newest.get(("LibrarySettings", "settings"))
        assert LibrarySettings.select().count() == (limit is not None)
        with self.store.writing():
            policy = current_policy(RULES)
        assert policy.loan_limit == (limit.loan_limit if limit else RULES.loan_limit)
        rules = [policy.rule_for("main", "", kind) for kind in ("DVD", "Map")]
        assert {rule.id: rule.loan_days for rule in rules if rule.id in stored}.items() <= {
            rule_id: message.loan_days for rule_id, message in stored.items()
        }.items()


@pytest.fixture(scope="module")
def store(databases: FreshDatabases, engine: Engine) -> Iterator[Store]:
    with bound_store("frontend", databases.migrated("frontend", engine)) as store:
        yield store


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "examples", [pytest.param(QUICK, id="quick"), pytest.param(THOROUGH, id="thorough", marks=pytest.mark.slow)]
)
def test_pages_in_any_order_while_users_borrow(
    store: Store, engine: Engine, chance: random.Random, examples: dict[Engine, int]
) -> None:
    class Machine(Pages):
        pass

    Machine.store, Machine.clock = store, SettableClock()
    run_state_machine_as_test(
        seed(chance.getrandbits(64))(Machine),
        settings=settings(
            max_examples=examples[engine],
            phases=[Phase.generate],
            stateful_step_count=25,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
