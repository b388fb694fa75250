"""ExplainRule equals what a check-out does at that time: random rules, calendars, users, items and requests."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.type.money_pb2 import Money

from frontend_server.store.models import User
from library.v1 import user_pb2
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar
from library.v1.circulation_rule_pb2 import CirculationRule
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_SET_ASIDE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.local_dates import date_message
from service_kit.clock import DAY, SECOND, timestamp
from service_kit.errors import ServiceError
from service_kit.ids import new_id
from service_kit.store import Store
from service_kit.text.keys import text_key
from tests.support.clocks import SettableClock
from tests.support.desk import LocalDesk

ZONES = {"main": "Europe/Berlin", "west": "America/Santiago", "isle": "Australia/Lord_Howe"}
CATEGORIES, TYPES = ["", "Student", "Staff"], ["", "DVD", "Map"]
QUICK = {"sqlite": 60, "postgresql": 15}
THOROUGH = {"sqlite": 10_000, "postgresql": 1_000}


class World:
    """A library that changes at random."""

    def __init__(self, store: Store, clock: SettableClock, chance: random.Random) -> None:
        self.desk, self.clock, self.chance = LocalDesk(store, clock), clock, chance
        self.desk.receive(*(Branch(code=code, time_zone=zone) for code, zone in ZONES.items()))
        self.books = [self.desk.book(copies=9) for _ in range(2)]
        self.items = [
            self.desk.item(chance.choice(self.books).id, item_type=kind, branch=branch)
            for kind in TYPES
            for branch in ZONES
        ]
        self.users = [self.desk.user() for _ in range(4)]
        self.rule_ids: dict[tuple[str, str, str], str] = {}

    def change(self) -> None:
        """Change a rule, a calendar, a user or an item."""
        chance = self.chance
        what = chance.randrange(4)
        if what == 0:
            self.desk.receive(self._rule())
        elif what == 1:
            days = chance.sample(range(1, 8), chance.randrange(4))
            self.desk.receive(Calendar(branch=chance.choice(list(ZONES)), weekly_closed_days=days))
        elif what == 2:
            self._change_user()
        else:
            item = chance.choice(self.items)
            item.state = chance.choice([ITEM_STATE_IN_SERVICE] * 4 + [ITEM_STATE_SET_ASIDE])
            self.desk.receive(item)

    def _change_user(self) -> None:
        chance, now = self.chance, self.clock.now
        category = chance.choice(CATEGORIES)
        values = {
            "user_category": category,
            "category_key": text_key(category),
            "expire_time": chance.choice([None, None, now + chance.randrange(-2 * DAY, 20 * DAY)]),
            "blocked_until": chance.choice([0, 0, 0, now + chance.randrange(-DAY, 3 * DAY)]),
            "state": chance.choice([USER_STATE_ACTIVE] * 6 + [USER_STATE_CLOSED]),
        }
        with self.desk.store.writing():
            User.update(values).where(User.id == chance.choice(self.users).id).execute()

    def _rule(self) -> CirculationRule:
        chance = self.chance
        key = (chance.choice(["", *ZONES]), chance.choice(CATEGORIES), chance.choice(TYPES))
        today = datetime.fromtimestamp(self.clock.now // SECOND, UTC).date()
        rule = CirculationRule(
            id=self.rule_ids.setdefault(key, new_id()),
            branch=key[0],
            user_category=key[1],
            item_type=key[2],
            lendable=chance.random() < 0.9,
            due_mode=chance.randrange(6),  # type: ignore[arg-type]
            max_loan_days=chance.choice([0, 7, 28]),
            renewal_limit=chance.randrange(3),
            renew_from=chance.randrange(3),  # type: ignore[arg-type]
            renew_overdue=chance.random() < 0.5,
            renew_window_days=chance.choice([0, 0, 3]),
            fine_rate=Money(currency_code="EUR", nanos=200_000_000),
        )
        if chance.random() < 0.2:
            rule.loan_hours = chance.randrange(1, 100)
        else:
            rule.loan_days = chance.choice([0, 1, 7, 14, 28])
        for name in ("term_ceiling_date", "term_floor_date", "term_fixed_date"):
            if chance.random() < 0.1:
                getattr(rule, name).CopyFrom(date_message(today + timedelta(days=chance.randrange(-3, 60))))
        if chance.random() < 0.2:
            rule.item_type_limit = chance.randrange(3)
        return rule

    def compare(self) -> None:
        """Explain a check-out at a later time, do it then, and compare; sometimes take the item back."""
        chance = self.chance
        user, item = chance.choice(self.users), chance.choice(self.items)
        fields: dict[str, Any] = {"days": chance.choice([0, 0, 1, 14, 60]), "branch": chance.choice(["", "", *ZONES])}
        later = self.clock.now + chance.randrange(3 * DAY)
        explained = self.desk.explain(item.barcode, user, time=timestamp(later), **fields)
        self.clock.now = later
        tried = self.desk.check_out(item.barcode, user, validate_only=True, **fields)
        reasons = self._reasons_against(item.barcode, user, fields)
        assert [each.reason for each in explained.refusals] == reasons == [each.reason for each in tried.refusals]
        if not reasons:
            loan = self.desk.lookup(item.barcode).loan
            assert (loan.due_time, loan.rule_id) == (explained.due_time, explained.rule.id)
            assert (tried.loan.due_time, tried.loan.days) == (loan.due_time, loan.days)
            assert [*tried.shifts] == [*explained.shifts]
        if chance.random() < 0.5:
            self.desk.check_in(item.barcode)

    def _reasons_against(self, barcode: str, user: user_pb2.User, fields: dict[str, Any]) -> list[str]:
        try:
            self.desk.check_out(barcode, user, **fields)
        except ServiceError as error:
            return [each.reason for each in (error, *error.further)]
        return []


def compare(store: Store, clock: SettableClock, cases: int) -> None:
    seed = os.environ.get("LIBRARY_SEED") or str(random.randrange(10**9))
    print(f"LIBRARY_SEED={seed}")
    chance = random.Random(seed)
    world = World(store, clock, chance)
    for _ in range(cases):
        if chance.random() < 0.5:
            world.change()
        world.compare()
    world.desk.check()


def test_what_is_explained_is_done(frontend_store: Store, clock: SettableClock, engine: str) -> None:
    compare(frontend_store, clock, QUICK[engine])


@pytest.mark.slow
def test_what_is_explained_is_done_in_10_000_cases(frontend_store: Store, clock: SettableClock, engine: str) -> None:
    compare(frontend_store, clock, THOROUGH[engine])
