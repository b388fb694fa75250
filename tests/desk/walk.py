"""A random walk over the desk: each step is done by the frontend and by the model, and both must agree."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from dataclasses import replace
from typing import Any

from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Item as ItemRow
from frontend_server.store.models import Loan as LoanRow
from frontend_server.store.models import User as UserRow
from library.v1 import (
    book_pb2,
    branch_pb2,
    circulation_rule_pb2,
    item_pb2,
    library_settings_pb2,
    loan_pb2,
)
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE
from library_domain.default_policy import DEFAULT_RULE_ID
from service_kit.clock import micros, timestamp
from service_kit.ids import new_id
from service_kit.store import Store
from tests.desk import model
from tests.desk.frontend import DeskFrontend
from tests.desk.messages import calendar_message, cents, money, rule_message
from tests.desk.model import ANY, DAY, SECOND, Desk, Refused, Rule
from tests.support.clocks import SettableClock

ZONES = {"main": "Europe/Berlin", "south": "America/Santiago", "island": "Australia/Lord_Howe"}
CATEGORIES = ("", "Student", "Senior")
TYPES = ("", "DVD", "Key")
MODES = ("IGNORE", "NEXT_OPEN", "PREV_OPEN", "COUNT_OPEN", "SAME_WEEKDAY")
HOUR = 3_600 * SECOND
OVERRIDABLE = (
    *("BOOK_UNAVAILABLE", "ITEM_NOT_LENDABLE", "ITEM_ON_LOAN", "RULE_NOT_LENDABLE", "MEMBERSHIP_EXPIRED"),
    *("USER_BLOCKED", "LOAN_LIMIT_REACHED", "ITEM_TYPE_LIMIT_REACHED", "LOAN_TOO_LONG", "LOAN_OVERDUE"),
    *("RENEWAL_LIMIT_REACHED", "RENEWAL_TOO_EARLY", "DUE_TIME_PASSED", "DUE_TIME_UNCHANGED"),
)
STATES = ("IN_SERVICE", "SET_ASIDE", "MISSING", "ON_ORDER")

EDGES = (
    "2026-03-28T22:00:00",  # clocks change in Berlin
    "2026-04-04T14:00:00",  # on Lord Howe
    "2026-09-05T03:00:00",  # in Santiago: there is no midnight
    "2026-10-03T15:00:00",
    "2026-10-24T22:00:00",
    "2026-12-31T10:00:00",
    "2028-02-28T22:00:00",
)


class Walk:
    """One walk, which its seed determines."""

    def __init__(self, store: Store, seed: int) -> None:
        self.seed, self.chance = seed, random.Random(seed)
        self.clock = SettableClock(self._moment(self.chance.choice(EDGES)))
        self.frontend = DeskFrontend(
            store, self.clock, LendingRules(loan_limit=5, daily_fine=DailyFine.parse("0.20 EUR"))
        )
        self.desk = Desk(Rule(DEFAULT_RULE_ID), "UTC", 5)
        self.done: Counter[str] = Counter()
        self.last_check_in: tuple[model.Loan, int] | None = None
        """The loan before the last check-in, and when that was."""
        self.titles: dict[str, book_pb2.Book] = {}
        for code, zone in ZONES.items():
            self.desk.zones[code] = zone
            self.desk.calendars[code] = model.Calendar()
            self.frontend.receive_change(branch=branch_pb2.Branch(code=code, display_name=code, time_zone=zone))
        for number in range(4):
            self._add_book(f"Book {number}", copies=3)
        for _ in range(6):
            self._enroll()

    # --- the steps ---

    def step(self) -> None:
        """Do one step."""
        steps = (
            (self.move_clock, 26),
            (self.check_out, 26),
            (self.check_in, 16),
            (self.renew, 10),
            (self.borrow, 6),
            (self.explain, 6),
            (self.cancel, 3),
            (self.change_rule, 3),
            (self.change_calendar, 2),
            (self.change_item, 2),
            (self.change_user, 2),
            (self.change_book, 0.5),
            (self.change_limit, 0.3),
            (self.add_item, 0.2),
        )
        [step] = self.chance.choices([step for step, _ in steps], [weight for _, weight in steps])
        self.done[step.__name__] += 1
        step()

    def move_clock(self) -> None:
        """Let time pass: minutes, hours, days, or to the end of a local day."""
        kind = self.chance.random()
        if kind < 0.4:
            self.clock.now += self.chance.randrange(1, 120 * 60) * SECOND
        elif kind < 0.8:
            self.clock.now += self.chance.randrange(1, 72) * HOUR
        elif kind < 0.9:
            self.clock.now += self.chance.randrange(1, 30) * 24 * HOUR
        else:
            zone = self.chance.choice(list(ZONES.values()))
            end = model.end_of(model.local(self.clock.now, zone).date(), zone)
            self.clock.now = max(self.clock.now, end + self.chance.choice((-1, 0, 1, 2)) * SECOND)

    def check_out(self) -> None:
        """Check an item out to a user."""
        user, item = self._user(), self._item()
        days = self._days()
        before = self.desk.loan_of(item)
        is_renewal = before is not None and before.user == user
        overridden = self._overridden()
        expected = self.desk.check_out("", user, item, days, self.clock.now, overridden)
        got = self.frontend.check_out(user, self.frontend.barcode(item), days, overridden)
        self._compare(expected, got)
        if isinstance(expected, model.Loan) and isinstance(got, loan_pb2.Loan):
            assert expected.id == (got.id if is_renewal else "")
            expected.id = got.id

    def borrow(self) -> None:
        """Borrow any free item of a book."""
        user, book = self._user(), self.chance.choice(list(self.titles))
        days = self._days()
        got = self.frontend.borrow_any(user, book, days)
        free = [item.id for item in self.desk.free_items(book)]
        if isinstance(got, Refused):
            assert "NO_COPY_AVAILABLE" in got.reasons or free, got
            for item in free:
                assert isinstance(self.desk.check_out("", user, item, days, self.clock.now), Refused), (got, item)
            return
        assert got.item_id in free
        expected = self.desk.check_out(got.id, user, got.item_id, days, self.clock.now)
        self._compare(expected, got)

    def check_in(self) -> None:
        """Check an item in, most often one that is out, sometimes at an earlier time."""
        item = self._item_that_is_out() or self._item()
        loan = self.desk.loan_of(item)
        returned = self.clock.now
        before = replace(loan) if loan else None
        if loan and self.chance.random() < 0.15:
            returned = self.chance.randrange(loan.borrowed, self.clock.now + 1)
        ended = self.desk.check_in(item, returned)
        response = self.frontend.check_in(self.frontend.barcode(item), returned)
        assert response.was_out == (ended is not None), response
        if ended:
            self._compare_loan(ended, response.loan)
            assert cents(response.fine) == ended.assessed, (response, ended)
            self.last_check_in = (before, self.clock.now) if before else None

    def cancel(self) -> None:
        """Cancel a check-out or the last check-in; often too late."""
        if self.last_check_in and self.chance.random() < 0.5:
            before, checked_in = self.last_check_in
            expected = self.desk.cancel_check_in(before, checked_in, self.clock.now)
            self._compare(expected, self.frontend.cancel_check_in(before.id))
            self.last_check_in = None
        elif item := self._item_that_is_out():
            loan_id = self.desk.out[item].id
            self._compare(self.desk.cancel_check_out(item, self.clock.now), self.frontend.cancel_check_out(loan_id))

    def renew(self) -> None:
        """Renew the loan of an item."""
        item, days, overridden = self._item_that_is_out() or self._item(), self._days(), self._overridden()
        expected = self.desk.renew(item, days, self.clock.now, overridden)
        self._compare(expected, self.frontend.renew_item(self.frontend.barcode(item), days, overridden))

    def explain(self) -> None:
        """Explain a check-out, and compare it with what the model would do."""
        user, item, days = self._user(), self._item(), self._days()
        loan = self.desk.loan_of(item)
        if loan and loan.user == user:
            return
        explained = self.frontend.explain(user, self.frontend.barcode(item), days)
        entry, person = self.desk.items[item], self.desk.users[user]
        _, matching = self.desk.rule_for(entry.branch, person.category, entry.type)
        assert [rule.id for rule in explained.matching_rules] == [rule.id for rule in matching]
        assert explained.rule.id == matching[0].id
        expected = self.desk.check_out("", user, item, days, self.clock.now)
        reasons = tuple(refusal.reason for refusal in explained.refusals)
        assert reasons == self.frontend.would_check_out(user, self.frontend.barcode(item), days)
        if isinstance(expected, Refused):
            assert reasons == expected.reasons
        else:
            del self.desk.out[item]
            assert (reasons, micros(explained.due_time)) == ((), expected.due), (explained, expected)

    def change_rule(self) -> None:
        """Add, change or delete a rule."""
        key = (
            self.chance.choice((ANY, *ZONES)),
            self.chance.choice(CATEGORIES),
            self.chance.choice(TYPES),
        )
        plain = (key[0], key[1].casefold(), key[2].casefold())
        old = self.desk.rules.get(plain)
        if old and key != (ANY, ANY, ANY) and self.chance.random() < 0.4:
            del self.desk.rules[plain]
            self.frontend.receive_change(rule=circulation_rule_pb2.CirculationRule(id=old.id, deleted=True))
            return
        rule = replace(self._some_rule(old.id if old else new_id()), type=plain[2])
        self.desk.rules[plain] = rule
        self.frontend.receive_change(rule=rule_message(rule, key, self.chance))

    def change_calendar(self) -> None:
        """Change the calendar of a branch; closed days in the past may change, too, for the sake of the test."""
        code = self.chance.choice(list(ZONES))
        today = model.local(self.clock.now, ZONES[code]).date()
        calendar = model.Calendar(
            weekly=set(self.chance.sample(range(7), self.chance.choice((0, 1, 1, 2)))),
            yearly=set(self.chance.sample([(12, 24), (12, 25), (12, 26), (12, 31), (1, 1), (2, 29)], 3)),
        )
        for _ in range(self.chance.randrange(3)):
            first = today + self.chance.randrange(-20, 40) * DAY
            calendar.ranges.append((first, first + self.chance.randrange(12) * DAY))
        for _ in range(self.chance.randrange(4)):
            calendar.exceptions[today + self.chance.randrange(-10, 40) * DAY] = self.chance.random() < 0.6
        self.desk.calendars[code] = calendar
        self.frontend.receive_change(calendar=calendar_message(code, calendar))

    def change_item(self) -> None:
        """Change the entry of an item: its state, branch, type or price."""
        item = self.desk.items[self._item()]
        what = self.chance.random()
        if what < 0.6:
            item.state = self.chance.choice(STATES) if item.state == "IN_SERVICE" else "IN_SERVICE"
        elif what < 0.75:
            item.branch = self.chance.choice(list(ZONES))
        elif what < 0.9:
            item.type = self.chance.choice(TYPES)
        else:
            item.price = self.chance.choice((None, 100, 1_500))
        self._send(item)

    def change_user(self) -> None:
        """Block a user or lift blocks, or change the category or the end of the membership."""
        user = self.desk.users[self._user()]
        what = self.chance.random()
        if what < 0.4:
            until = self.chance.choice((None, self.clock.now + self.chance.randrange(1, 200) * HOUR))
            user.blocked_until.append(until)
            self.frontend.block(user.id, until)
        elif what < 0.75:
            user.blocked_until.clear()
            self.frontend.unblock_all(user.id)
        elif what < 0.9:
            user.category = self.chance.choice(CATEGORIES)
            self.frontend.update_user(user.id, user_category=user.category)
        else:
            user.expires = self.chance.choice((None, None, self.clock.now + self.chance.randrange(-50, 2_000) * HOUR))
            expires = None if user.expires is None else timestamp(user.expires)
            self.frontend.update_user(user.id, expire_time=expires)

    def change_book(self) -> None:
        """Take a book out of circulation for a while, or put it back."""
        book = self.chance.choice(list(self.titles.values()))
        is_unavailable = book.id in self.desk.unavailable_books
        book.state = BOOK_STATE_ACTIVE if is_unavailable else BOOK_STATE_UNAVAILABLE
        (self.desk.unavailable_books.remove if is_unavailable else self.desk.unavailable_books.add)(book.id)
        self.frontend.receive_change(book=book)

    def change_limit(self) -> None:
        """Change the limit of open loans."""
        self.desk.loan_limit = self.chance.choice((0, 1, 3, 5, 5, 8))
        settings = library_settings_pb2.LibrarySettings(loan_limit=self.desk.loan_limit)
        self.frontend.receive_change(settings=settings)

    def add_item(self) -> None:
        """Add an item."""
        if len(self.desk.items) < 30:
            book = self.chance.choice(list(self.titles.values()))
            self._add_item(book.id)
            book.total_copies += 1
            self.frontend.receive_change(book=book)

    # --- what is always true ---

    def check(self) -> None:
        """Compare what is open, and check what must always be true."""
        with self.frontend.store.reading():
            rows = {row.item_id: row for row in LoanRow.select().where(LoanRow.return_time.is_null())}
            users = {row.id: row.active_loan_count for row in UserRow.select()}
            places = {row.id: row.place for row in ItemRow.select()}
        assert rows.keys() == self.desk.out.keys()
        for item, loan in self.desk.out.items():
            row = rows[item]
            assert (row.id, row.user_id, row.due_time, row.renewal_count) == (
                *(loan.id, loan.user, loan.due, loan.renewals),
            )
            assert row.due_time > row.borrow_time
        for user_id, count in users.items():
            assert count == len(self.desk.open_loans(user_id))
        for item in self.desk.items:
            assert (places[item] == item_pb2.ITEM_PLACE_ON_LOAN) == (item in self.desk.out)
        self.frontend.check()

    # --- helpers ---

    def _compare(self, expected: model.Loan | Refused, got: loan_pb2.Loan | Refused) -> None:
        if isinstance(expected, Refused) or isinstance(got, Refused):
            assert expected == got, (expected, got)
        else:
            self._compare_loan(expected, got)

    def _compare_loan(self, expected: model.Loan, got: loan_pb2.Loan) -> None:
        assert (got.user_id, got.item_id, micros(got.borrow_time)) == (expected.user, expected.item, expected.borrowed)
        assert micros(got.due_time) == expected.due, (got, expected)
        assert got.renewal_count == expected.renewals
        assert (got.branch, got.time_zone) == (expected.branch, expected.zone)
        if expected.returned is not None:
            assert micros(got.return_time) == expected.returned
            assert cents(got.fine) == expected.assessed, (got, expected)
        else:
            assert cents(got.fine_so_far) == self.desk.fine(expected, self.clock.now), (got, expected)

    def _moment(self, text: str) -> int:
        return (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) - model.EPOCH) // dt.timedelta(microseconds=1)

    def _user(self) -> str:
        return self.chance.choice(list(self.desk.users))

    def _item(self) -> str:
        return self.chance.choice(list(self.desk.items))

    def _item_that_is_out(self) -> str | None:
        out = list(self.desk.out)
        return self.chance.choice(out) if out and self.chance.random() < 0.9 else None

    def _overridden(self) -> list[str]:
        return self.chance.sample(OVERRIDABLE, 4) if self.chance.random() < 0.2 else []

    def _days(self) -> int:
        return 0 if self.chance.random() < 0.6 else self.chance.choice((1, 2, 7, 14, 21, 28, 90, 365))

    def _some_rule(self, rule_id: str) -> Rule:
        chance = self.chance
        days = chance.choice((1, 3, 7, 14, 21, 28))
        rule = Rule(
            rule_id,
            lendable=chance.random() < 0.93,
            days=days,
            most_days=max(days, chance.choice((14, 28, 60, 365))),
            mode=chance.choice(MODES),
            renewals=chance.choice((0, 1, 3, 10)),
            renewal_days=chance.choice((None, None, 3, 7, 14)),
            from_now=chance.random() < 0.4,
            renew_overdue=chance.random() < 0.5,
            window=chance.choice((0, 0, 3, 7)),
            most_total=chance.choice((365, 365, 60, 30)),
            rate=chance.choice((0, 20, 25, 100)),
            period=chance.choice((1, 1, 1, 7, 3)),
            at_end=chance.random() < 0.3,
            grace=chance.choice((0, 0, 1, 3)),
            grace_excluded=chance.random() < 0.5,
            skip_closed=chance.random() < 0.5,
            cap=chance.choice((None, None, 0, 100, 500)),
            cap_at_price=chance.random() < 0.3,
            type_limit=chance.choice((None, None, None, 0, 1, 2)),
        )
        if chance.random() < 0.15:
            hours = chance.choice((1, 4, 24, 72))
            return replace(rule, hours=hours, days=14, most_days=chance.choice((0, 0, 7)), mode="IGNORE")
        if chance.random() < 0.2:
            today = model.local(self.clock.now, "UTC").date()
            date: dict[str, Any] = {chance.choice(("ceiling", "floor", "fixed")): today + chance.randrange(1, 60) * DAY}
            return replace(rule, **date)
        return rule

    def _add_book(self, title: str, copies: int) -> None:
        book = book_pb2.Book(id=new_id(), title=title, total_copies=copies, state=BOOK_STATE_ACTIVE)
        self.titles[book.id] = book
        self.frontend.receive_change(book=book)
        for _ in range(copies):
            self._add_item(book.id)

    def _add_item(self, book_id: str) -> None:
        branch, item_type = self.chance.choice(list(ZONES)), self.chance.choice(TYPES)
        item = model.Item(new_id(), book_id, item_type, branch, price=self.chance.choice((None, 1_500)))
        self.desk.items[item.id] = item
        self._send(item)

    def _send(self, item: model.Item) -> None:
        message = item_pb2.Item(
            id=item.id,
            book_id=item.book,
            barcode=self.frontend.barcode(item.id),
            item_type=item.type,
            branch=item.branch,
            state=item_pb2.ItemState.Value(f"ITEM_STATE_{item.state}"),
        )
        if item.price is not None:
            message.price.CopyFrom(money(item.price))
        self.frontend.receive_change(item=message)

    def _enroll(self) -> None:
        user = model.User(self.frontend.enroll_person(), self.chance.choice(CATEGORIES))
        self.desk.users[user.id] = user
        if user.category:
            self.frontend.update_user(user.id, user_category=user.category)
