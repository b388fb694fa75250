"""A plain model of the desk, written from the rules and not from the code: lists, dates, and one step at a time.

It knows no database and is as slow as it is simple. `test_desk_model.py` compares what the frontend does with it.
Times are microseconds since 1970.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from zoneinfo import ZoneInfo

SECOND = 1_000_000
DAY = dt.timedelta(days=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MOST_DAYS = 365
HALF_AN_HOUR = 30 * 60 * SECOND


def local(time: int, zone: str) -> dt.datetime:
    """Return a time as a clock in the zone shows it."""
    return (EPOCH + dt.timedelta(microseconds=time)).astimezone(ZoneInfo(zone))


def end_of(day: dt.date, zone: str) -> int:
    """Return the last second of a date. Of a second that exists twice, the second one."""
    moment = dt.datetime.combine(day, dt.time(23, 59, 59, fold=1), ZoneInfo(zone))
    return (moment.astimezone(dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)


@dataclass
class Calendar:
    """The closed days of a branch."""

    weekly: set[int] = field(default_factory=set)
    """0 is Monday."""
    yearly: set[tuple[int, int]] = field(default_factory=set)
    ranges: list[tuple[dt.date, dt.date]] = field(default_factory=list)
    exceptions: dict[dt.date, bool] = field(default_factory=dict)

    def is_open(self, day: dt.date) -> bool:
        """Return whether the branch is open: the first that names the day decides."""
        if day in self.exceptions:
            return self.exceptions[day]
        if any(first <= day <= last for first, last in self.ranges):
            return False
        return (day.month, day.day) not in self.yearly and day.weekday() not in self.weekly

    def search(self, day: dt.date, step: dt.timedelta) -> dt.date:
        """Return the first open day from this one on, forward or back."""
        while not self.is_open(day):
            day += step
        return day


@dataclass(frozen=True)
class Rule:
    """A row of the rules."""

    id: str
    type: str = ""
    """Of the items that it is for; empty: any."""
    lendable: bool = True
    days: int = 14
    hours: int = 0
    most_days: int = MOST_DAYS
    """0 in a rule with hours."""
    mode: str = "IGNORE"
    renewals: int = 3
    renewal_days: int | None = None
    from_now: bool = False
    renew_overdue: bool = False
    window: int = 0
    most_total: int = MOST_DAYS
    ceiling: dt.date | None = None
    floor: dt.date | None = None
    fixed: dt.date | None = None
    rate: int = 20
    """Minor units a period."""
    period: int = 1
    at_end: bool = False
    grace: int = 0
    grace_excluded: bool = False
    skip_closed: bool = False
    cap: int | None = None
    cap_at_price: bool = False
    type_limit: int | None = None


@dataclass
class User:
    """A user."""

    id: str
    category: str = ""
    expires: int | None = None
    blocked_until: list[int | None] = field(default_factory=list)
    closed: bool = False


@dataclass
class Item:
    """An item."""

    id: str
    book: str
    type: str = ""
    branch: str = "main"
    state: str = "IN_SERVICE"
    price: int | None = None


@dataclass
class Loan:
    """A loan."""

    id: str
    user: str
    item: str
    borrowed: int
    due: int
    rule: Rule
    branch: str
    zone: str
    type: str
    returned: int | None = None
    renewals: int = 0
    assessed: int = 0


def left(refusals: Iterable[str], overridden: Collection[str]) -> tuple[str, ...]:
    """Return the refusals that the staff has not overridden, or cannot override."""
    return tuple(each for each in refusals if each not in overridden or each in NEVER_OVERRIDDEN)


@dataclass(frozen=True)
class Refused:
    """A call that is refused, with all reasons in their order."""

    reasons: tuple[str, ...]


NEVER_OVERRIDDEN = {
    *("ITEM_NOT_FOUND", "ITEM_NOT_ON_LOAN", "BOOK_REMOVED", "USER_NOT_FOUND", "USER_CLOSED", "DUE_TIME_PASSED"),
    "DUE_TIME_UNCHANGED",
}

Key = tuple[str, str, str]
ANY = ""


class Desk:
    """The whole desk."""

    def __init__(self, default: Rule, zone: str, loan_limit: int) -> None:
        self.rules: dict[Key, Rule] = {(ANY, ANY, ANY): default}
        self.calendars: dict[str, Calendar] = {"main": Calendar()}
        self.zones: dict[str, str] = {"main": zone}
        self.loan_limit = loan_limit
        self.users: dict[str, User] = {}
        self.items: dict[str, Item] = {}
        self.removed_books: set[str] = set()
        self.unavailable_books: set[str] = set()
        self.out: dict[str, Loan] = {}
        self.last_checked_in: dict[str, Loan] = {}
        """The open loans, by item."""

    # --- what is ---

    def loan_of(self, item_id: str) -> Loan | None:
        """Return the open loan of an item."""
        return self.out.get(item_id)

    def open_loans(self, user_id: str) -> list[Loan]:
        """Return the open loans of a user."""
        return [loan for loan in self.out.values() if loan.user == user_id]

    def free_items(self, book_id: str) -> list[Item]:
        """Return the items of a book that are in service and on the shelf."""
        return [
            item
            for item in self.items.values()
            if item.book == book_id and item.state == "IN_SERVICE" and self.loan_of(item.id) is None
        ]

    # --- rules ---

    def rule_for(self, branch: str, category: str, item_type: str) -> tuple[Rule, list[Rule]]:
        """Return the rule that applies, and all that match, the most specific first."""
        b, c, t = branch, category.casefold(), item_type.casefold()
        order = [(b, c, t), (b, c, ANY), (b, ANY, t), (b, ANY, ANY)]
        order += [(ANY, c, t), (ANY, c, ANY), (ANY, ANY, t), (ANY, ANY, ANY)]
        matching = [self.rules[key] for key in dict.fromkeys(order) if key in self.rules]
        return matching[0], matching

    def by_mode(self, rule: Rule, branch: str, base: dt.date, days: int) -> dt.date:
        """Return the date that is a number of days after another, by the due mode of a rule."""
        calendar, day = self.calendars[branch], base + days * DAY
        if rule.mode == "NEXT_OPEN":
            return calendar.search(day, DAY)
        if rule.mode == "PREV_OPEN":
            return calendar.search(day, -DAY)
        if rule.mode == "COUNT_OPEN":
            day = base
            for _ in range(days):
                day = calendar.search(day + DAY, DAY)
        if rule.mode == "SAME_WEEKDAY":
            by_weeks = days % 7 == 0 and day.weekday() not in calendar.weekly
            return calendar.search(day, 7 * DAY if by_weeks else DAY)
        return day

    def due(self, rule: Rule, branch: str, base: dt.date, days: int, last: dt.date | None) -> dt.date:
        """Return the due date of a loan of some days from a date."""
        calendar, day = self.calendars[branch], self.by_mode(rule, branch, base, days)
        if rule.ceiling and day > rule.ceiling:
            day = calendar.search(rule.ceiling, -DAY)
        if rule.floor and day < rule.floor:
            day = calendar.search(rule.floor, DAY)
        if rule.fixed:
            day = rule.fixed
        if last and day > last:
            day = calendar.search(last, -DAY)
        return day

    # --- gates ---

    def user_refusals(self, user: User | None, zone: str, now: int) -> list[str]:
        """Return why a user can neither borrow nor renew."""
        if user is None:
            return ["USER_NOT_FOUND"]
        if user.closed:
            return ["USER_CLOSED"]
        refusals = []
        if self.is_over(user, zone, now):
            refusals.append("MEMBERSHIP_EXPIRED")
        if any(until is None or until > now for until in user.blocked_until):
            refusals.append("USER_BLOCKED")
        return refusals

    def item_refusals(self, item: Item | None) -> list[str]:
        """Return why an item cannot be lent."""
        if item is None:
            return ["ITEM_NOT_FOUND"]
        refusals = []
        if item.book in self.removed_books:
            refusals.append("BOOK_REMOVED")
        elif item.book in self.unavailable_books:
            refusals.append("BOOK_UNAVAILABLE")
        if item.state != "IN_SERVICE":
            refusals.append("ITEM_NOT_LENDABLE")
        if self.loan_of(item.id):
            refusals.append("ITEM_ON_LOAN")
        return refusals

    def limits(self, user: User, rule: Rule) -> list[str]:
        """Return which limits a user has reached, counted from the open loans."""
        loans = self.open_loans(user.id)
        refusals = ["LOAN_LIMIT_REACHED"] if len(loans) >= self.loan_limit else []
        of_type = [loan for loan in loans if rule.type in ("", loan.type.casefold())]
        if rule.type_limit is not None and len(of_type) >= rule.type_limit:
            refusals.append("ITEM_TYPE_LIMIT_REACHED")
        return refusals

    def due_time(self, rule: Rule, branch: str, now: int, days: int, user: User) -> int:
        """Return when a loan that begins now is due."""
        zone = self.zones[branch]
        last = self.last_day(user, zone, now)
        if rule.hours and not days:
            return self.after_hours(now, rule.hours, zone, last)
        return end_of(self.due(rule, branch, local(now, zone).date(), days or rule.days, last), zone)

    def after_hours(self, start: int, hours: int, zone: str, last: dt.date | None) -> int:
        """Return the end of hours that elapse, or of the membership."""
        due = start + hours * 3600 * SECOND
        return end_of(last, zone) if last and local(due, zone).date() > last else due

    def last_day(self, user: User, zone: str, now: int) -> dt.date | None:
        """Return the last day of a membership that ends, and has not ended."""
        return None if user.expires is None or self.is_over(user, zone, now) else local(user.expires - 1, zone).date()

    def is_over(self, user: User, zone: str, now: int) -> bool:
        """Return whether the membership of a user has ended."""
        return user.expires is not None and local(now, zone).date() > local(user.expires - 1, zone).date()

    def check_out(
        self, loan_id: str, user_id: str, item_id: str, days: int, now: int, overridden: Collection[str] = ()
    ) -> Loan | Refused:
        """Lend an item to a user, or renew the loan if the user has it."""
        had = self.loan_of(item_id)
        if had and had.user == user_id:
            return self.renew(item_id, days, now, overridden)
        user, item = self.users.get(user_id), self.items.get(item_id)
        if user is None or item is None:
            return Refused((*self.item_refusals(item), *self.user_refusals(user, self.zones["main"], now)))
        rule, _ = self.rule_for(item.branch, user.category, item.type)
        zone = self.zones[item.branch]
        account = self.user_refusals(user, zone, now)
        refusals = self.item_refusals(item)
        if not rule.lendable:
            refusals.append("RULE_NOT_LENDABLE")
        refusals += account
        if not user.closed:
            refusals += self.limits(user, rule)
        due = self.due_time(rule, item.branch, now, days, user)
        refusals += self.due_refusals(rule, days, due, now)
        if remaining := left(refusals, overridden):
            return Refused(remaining)
        self.check_in(item_id, now)
        self.out[item_id] = Loan(loan_id, user_id, item_id, now, due, rule, item.branch, zone, item.type)
        return self.out[item_id]

    def due_refusals(self, rule: Rule, days: int, due: int, now: int) -> list[str]:
        """Return why an item cannot be lent for these days."""
        refusals = ["LOAN_TOO_LONG"] if days > rule.most_days else []
        return [*refusals, "DUE_TIME_PASSED"] if due <= now else refusals

    # --- fines ---

    def late_fine(self, loan: Loan, returned: int) -> int:
        """Return the fine in minor units since the last due date, without what was assessed before."""
        rule, calendar = loan.rule, self.calendars[loan.branch]
        day, last = local(loan.due, loan.zone).date() + DAY, local(returned, loan.zone).date()
        late = 0
        while day <= last:
            if calendar.is_open(day) or not rule.skip_closed:
                late += 1
            day += DAY
        if late <= rule.grace:
            return 0
        units = Fraction(late - rule.grace if rule.grace_excluded else late, rule.period)
        periods = units.numerator // units.denominator if rule.at_end else -(-units.numerator // units.denominator)
        return periods * rule.rate

    def fine(self, loan: Loan, returned: int) -> int:
        """Return the whole fine of a loan."""
        total = loan.assessed + self.late_fine(loan, returned)
        caps = [] if loan.rule.cap is None else [loan.rule.cap]
        price = self.items[loan.item].price
        if loan.rule.cap_at_price and price is not None:
            caps.append(price)
        return max(min([total, *caps]), loan.assessed)

    def check_in(self, item_id: str, returned: int) -> Loan | None:
        """End the loan of an item, if it has one."""
        loan = self.out.pop(item_id, None)
        if loan is not None:
            self.last_checked_in[item_id] = loan
        if loan:
            loan.assessed = self.fine(loan, returned)
            loan.returned = returned
        return loan

    # --- slips ---

    def cancel_check_out(self, item_id: str, now: int) -> Loan | Refused:
        """End a loan as if it had not been."""
        loan = self.out[item_id]
        if loan.renewals or now - loan.borrowed > HALF_AN_HOUR:
            return Refused(("CANNOT_CANCEL",))
        loan.returned = now
        return self.out.pop(item_id)

    def cancel_check_in(self, before: Loan, checked_in: int, now: int) -> Loan | Refused:
        """Open a loan again, as it was before its item was checked in."""
        was_lent_since = before.item in self.out or self.last_checked_in[before.item].id != before.id
        if now - checked_in > HALF_AN_HOUR or was_lent_since or self.users[before.user].closed:
            return Refused(("CANNOT_CANCEL",))
        self.out[before.item] = before
        return before

    # --- renewals ---

    def renew(self, item_id: str, days: int, now: int, overridden: Collection[str] = ()) -> Loan | Refused:
        """Renew the loan of an item."""
        loan = self.loan_of(item_id)
        if loan is None:
            return Refused(("ITEM_NOT_ON_LOAN",) if item_id in self.items else ("ITEM_NOT_FOUND",))
        user = self.users[loan.user]
        rule, _ = self.rule_for(loan.branch, user.category, loan.type)
        account = self.user_refusals(user, loan.zone, now)
        new_due = self.renewed_due(loan, rule, days, now, user)
        refusals = [*self.renewal_limits(loan, rule, new_due, now), *account]
        if days > rule.most_days:
            refusals.append("LOAN_TOO_LONG")
        if new_due <= max(loan.due, now):
            refusals.append("DUE_TIME_UNCHANGED" if new_due <= loan.due else "DUE_TIME_PASSED")
        if remaining := left(refusals, overridden):
            return Refused(remaining)
        if now > loan.due:
            loan.assessed = self.fine(loan, now)
        loan.due, loan.rule, loan.renewals = new_due, rule, loan.renewals + 1
        return loan

    def renewal_limits(self, loan: Loan, rule: Rule, new_due: int, now: int) -> list[str]:
        """Return why a loan cannot be renewed again, or not yet."""
        refusals = []
        if now > loan.due and not rule.renew_overdue:
            refusals.append("LOAN_OVERDUE")
        borrowed, due_day = local(loan.borrowed, loan.zone).date(), local(loan.due, loan.zone).date()
        total = (local(new_due, loan.zone).date() - borrowed).days
        if loan.renewals >= rule.renewals or total > rule.most_total:
            refusals.append("RENEWAL_LIMIT_REACHED")
        if rule.window and local(now, loan.zone).date() < due_day - rule.window * DAY:
            refusals.append("RENEWAL_TOO_EARLY")
        return refusals

    def renewed_due(self, loan: Loan, rule: Rule, days: int, now: int, user: User) -> int:
        """Return the due time after a renewal."""
        start = now if rule.from_now or now > loan.due else loan.due
        last = self.last_day(user, loan.zone, now)
        if rule.hours and not days:
            return self.after_hours(start, rule.renewal_days or rule.hours, loan.zone, last)
        base = local(start, loan.zone).date()
        return end_of(self.due(rule, loan.branch, base, days or rule.renewal_days or rule.days, last), loan.zone)
