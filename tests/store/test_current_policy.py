"""The policy as a frontend's store has it: received from the admin, read again by each process after it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from google.type.date_pb2 import Date
from google.type.dayofweek_pb2 import SUNDAY
from google.type.money_pb2 import Money

from frontend_server.circulation.current_policy import current_policy, library_settings
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.policy import Policy
from frontend_server.store.models import CirculationRule, SetAside, SyncState, bind
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar, YearlyDay
from library.v1.circulation_rule_pb2 import CirculationRule as Rule
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.default_policy import DEFAULT_RULE_ID
from service_kit.ids import new_id
from service_kit.store import Store, open_store
from tests.support.clocks import SettableClock
from tests.support.frontend import RULES, LocalFrontend
from tests.support.stores import Engine, FreshDatabases, bound_store


@pytest.fixture
def store(databases: FreshDatabases, engine: Engine) -> Iterator[Store]:
    with bound_store("frontend", databases.migrated("frontend", engine)) as store:
        yield store


@pytest.fixture
def frontend(store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(store, clock)


def policy(frontend: LocalFrontend) -> Policy:
    with frontend.store.writing():
        return current_policy(frontend.rules)


def days(frontend: LocalFrontend, item_type: str = "") -> int:
    return policy(frontend).rule_for("main", "", item_type).loan_days


def dvd_rule(days: int, **fields: object) -> Rule:
    return Rule(**{"id": new_id(), "item_type": "DVD", "loan_days": days, **fields})  # type: ignore[arg-type]


def test_the_options_of_the_service_are_the_defaults_until_the_admin_sends_others(frontend: LocalFrontend) -> None:
    default = policy(frontend)
    assert (default.loan_limit, default.rule_for("east", "Child", "Map").fine_rate) == (100, 200_000_000)
    frontend.rules = replace(RULES, loan_limit=7, daily_fine=DailyFine.parse("0.50 EUR"))
    other = policy(frontend)
    assert (other.loan_limit, other.rule_for("east", "Child", "Map").fine_rate) == (7, 500_000_000)
    assert library_settings(frontend.store, frontend.rules) == LibrarySettings(loan_limit=7)

    frontend.receive(
        Rule(id=DEFAULT_RULE_ID, loan_days=21, fine_rate=Money(currency_code="EUR", units=1)),
        Calendar(branch="east", weekly_closed_days=[SUNDAY]),
        LibrarySettings(loan_limit=3, display_name="Town library"),
        Branch(code="east", time_zone="America/Santiago"),
    )
    received = policy(frontend)
    rule, branch = received.rule_for("east", "Child", "Map"), received.branch("east")
    assert (received.loan_limit, rule.loan_days, rule.fine_rate) == (3, 21, 1_000_000_000)
    assert library_settings(frontend.store, frontend.rules).display_name == "Town library"
    assert library_settings(frontend.store, frontend.rules).loan_limit == 3
    assert branch.zone.key == "America/Santiago"
    assert branch.calendar.weekly_closed_days == {SUNDAY}


def test_a_deleted_rule_applies_no_more(frontend: LocalFrontend) -> None:
    rule = dvd_rule(3)
    frontend.receive(rule)
    assert (days(frontend, "dvd"), days(frontend)) == (3, 14)
    rule.deleted = True
    frontend.receive(rule)
    assert days(frontend, "DVD") == 14
    assert not CirculationRule.select().exists()


def test_what_a_full_reading_has_not_seen_is_deleted(frontend: LocalFrontend) -> None:
    kept = dvd_rule(3)
    frontend.receive(kept, dvd_rule(5, branch="main"), LibrarySettings(loan_limit=3))
    assert (days(frontend, "DVD"), policy(frontend).loan_limit) == (5, 3)
    SyncState.update(generation=2, resyncing=True).execute()
    frontend.receive(kept)
    assert (days(frontend, "DVD"), policy(frontend).loan_limit) == (3, 100)


def test_the_older_version_stays_in_use_if_the_newest_cannot_be_applied(frontend: LocalFrontend) -> None:
    rule, calendar = dvd_rule(3), Calendar(branch="main", yearly_closed_days=[YearlyDay(month=12, day=25)])
    frontend.receive(rule, calendar)
    frontend.receive(
        dvd_rule(5, id=rule.id, term_fixed_date=Date(year=2026, month=2, day=30)),
        Calendar(branch="main", yearly_closed_days=[YearlyDay(month=2, day=30)]),
        Branch(code="é"),
    )
    assert sorted(row.kind for row in SetAside.select()) == ["branch", "calendar", "rule"]
    assert days(frontend, "DVD") == 3
    assert policy(frontend).branch("main").calendar.yearly_closed_days == {(12, 25)}
    frontend.receive(dvd_rule(5, id=rule.id, term_fixed_date=Date(year=2026, month=2, day=30), deleted=True))
    assert days(frontend, "DVD") == 14, "a deleted rule is not used, also if a date of it is wrong"


def test_a_damaged_row_is_left_out(frontend: LocalFrontend) -> None:
    rule = dvd_rule(3)
    frontend.receive(rule)
    for damaged in (b"\xff", dvd_rule(9, term_fixed_date=Date(month=99)).SerializeToString()):
        CirculationRule.update(message=damaged).execute()
        SyncState.update(policy_version=new_id()).execute()
        assert days(frontend, "DVD") == 14


def test_a_change_that_another_process_has_applied_is_used_by_the_next_transaction(
    frontend: LocalFrontend, store: Store
) -> None:
    """Two stores are open on one database, as two processes have them."""
    frontend.receive()  # the end of the first reading may have removed something
    before = policy(frontend)
    assert policy(frontend) is before, "it is read once"
    frontend.book()
    assert policy(frontend) is before, "books do not matter"
    with closing(open_store(store.url)) as other:
        bind(other)
        assert current_policy(RULES).loan_limit == 100
        frontend.store = other
        frontend.receive(LibrarySettings(loan_limit=4))
        bind(store)
    frontend.store = store
    assert policy(frontend).loan_limit == 4
