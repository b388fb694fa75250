"""The lending rules a second time, plain and slow: they walk from date to date and from second to second.

For tests only. Nothing here is shared with the code under test but the values that describe rules and calendars.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode, FineChargedAt, RenewFrom
from library_domain.calendars import Calendar

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def micros(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def shown_date(when: datetime, zone: ZoneInfo) -> date:
    return when.astimezone(zone).date()


def last_second(day: date, zone: ZoneInfo) -> datetime:
    """Walk over all clocks that could show this date, by quarters of an hour, then by seconds."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    quarters = [start + timedelta(minutes=15 * number) for number in range(4 * 90)]
    on_that_date = [quarter for quarter in quarters if shown_date(quarter, zone) == day]
    if not on_that_date:
        return last_second(day + DAY, zone)
    seconds = (on_that_date[-1] + timedelta(seconds=number) for number in range(901))
    return max(second for second in seconds if shown_date(second, zone) == day)


def is_open(calendar: Calendar, day: date) -> bool:
    for exception in calendar.exceptions:
        if exception.date == day:
            return exception.open
    if any(closed.first_date <= day <= closed.last_date for closed in calendar.closed_ranges):
        return False
    if (day.month, day.day) in calendar.yearly_closed_days:
        return False
    return day.isoweekday() not in calendar.weekly_closed_days


def walk(calendar: Calendar, day: date, step: timedelta) -> date:
    """Return the first open date of at most 366, or the date itself."""
    dates = [day]
    while len(dates) < 366 and dates[-1] + step <= dates[0] + timedelta(days=365):
        dates.append(dates[-1] + step)
    found = [each for each in dates if is_open(calendar, each)]
    return found[0] if found else day


def by_due_mode(mode: DueMode, calendar: Calendar, start: date, days: int) -> date:
    plain = start + days * DAY
    if mode == DueMode.IGNORE:
        return plain
    if mode == DueMode.PREV_OPEN:
        return walk(calendar, plain, -DAY)
    if mode == DueMode.COUNT_OPEN:
        day, left, closed = start, days, 0
        while left and closed < 366:
            day += DAY
            closed = 0 if is_open(calendar, day) else closed + 1
            left -= is_open(calendar, day)
        return plain if left else day
    whole_weeks = days % 7 == 0 and plain.isoweekday() not in calendar.weekly_closed_days
    return walk(calendar, plain, 7 * DAY if mode == DueMode.SAME_WEEKDAY and whole_weeks else DAY)


def due_date(
    rule: CirculationRule, calendar: Calendar, start: date, days: int, today: date, membership_end: date | None
) -> date:
    day = by_due_mode(rule.due_mode, calendar, start, days)
    if rule.term_ceiling_date and day > rule.term_ceiling_date:
        day = walk(calendar, rule.term_ceiling_date, -DAY)
    if rule.term_floor_date and day < rule.term_floor_date:
        day = walk(calendar, rule.term_floor_date, DAY)
    if rule.term_fixed_date:
        day = rule.term_fixed_date
    if membership_end and today <= membership_end < day:
        day = walk(calendar, membership_end, -DAY)
    return day


def loan_due(
    rule: CirculationRule, calendar: Calendar, zone: ZoneInfo, now: int, days: int, membership_end: date | None
) -> int:
    today = shown_date(moment(now), zone)
    return micros(last_second(due_date(rule, calendar, today, days or rule.loan_days, today, membership_end), zone))


def renewal_due(rule: CirculationRule, calendar: Calendar, zone: ZoneInfo, due: int, now: int) -> int:
    today = shown_date(moment(now), zone)
    start = today if now > due or rule.renew_from == RenewFrom.NOW else shown_date(moment(due), zone)
    days = rule.loan_days if rule.renewal_days is None else rule.renewal_days
    return micros(last_second(due_date(rule, calendar, start, days, today, None), zone))


def fine(rule: CirculationRule, calendar: Calendar, zone: ZoneInfo, due: int, back: int) -> int:
    """Return the fine in cents, with fractions instead of integers."""
    if back <= due:
        return 0
    days, day = 0, shown_date(moment(due), zone)
    while day < shown_date(moment(back), zone):
        day += DAY
        days += is_open(calendar, day) or not rule.skip_closed_days
    if days <= rule.grace_days:
        return 0
    units = Fraction(days - rule.grace_days if rule.grace_excluded else days)
    periods, rest = divmod(units, rule.fine_period_days)
    if rest and rule.fine_charged_at == FineChargedAt.START:
        periods += 1
    amount = periods * Fraction(rule.fine_rate, 10**9)
    if rule.fine_cap is not None:
        amount = min(amount, Fraction(rule.fine_cap, 10**9))
    return int(amount * 100 + Fraction(1, 2))
