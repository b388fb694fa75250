"""The messages of calendars, rules and amounts of the plain model."""

from __future__ import annotations

import datetime as dt
import random

from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from library.v1 import calendar_pb2, circulation_rule_pb2
from tests.desk import model
from tests.desk.model import Rule

CURRENCY = "EUR"
CENT = 10_000_000


def money(cents: int) -> Money:
    units, rest = divmod(cents, 100)
    return Money(currency_code=CURRENCY, units=units, nanos=rest * CENT)


def cents(money: Money) -> int:
    return money.units * 100 + money.nanos // CENT


def date(day: dt.date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)


def calendar_message(code: str, calendar: model.Calendar) -> calendar_pb2.Calendar:
    message = calendar_pb2.Calendar(branch=code)
    message.weekly_closed_days.extend(day + 1 for day in sorted(calendar.weekly))
    for month, day in sorted(calendar.yearly):
        message.yearly_closed_days.add(month=month, day=day)
    for first, last in calendar.ranges:
        message.closed_ranges.add(first_date=date(first), last_date=date(last), reason="closed")
    for each, is_open in calendar.exceptions.items():
        message.exceptions.add(date=date(each), open=is_open)
    return message


def rule_message(rule: Rule, key: model.Key, chance: random.Random) -> circulation_rule_pb2.CirculationRule:
    """Return the message of a rule. Values that mean the same as an unset field are set or not, by chance."""
    branch, category, item_type = key
    message = circulation_rule_pb2.CirculationRule(
        id=rule.id,
        branch=branch,
        user_category=category.upper() if chance.random() < 0.3 else category,
        item_type=item_type.lower() if chance.random() < 0.3 else item_type,
        loan_days=0 if rule.hours else rule.days,
        loan_hours=rule.hours,
        max_loan_days=0 if rule.most_days == model.MOST_DAYS else rule.most_days,
        due_mode=circulation_rule_pb2.DueMode.Value(f"DUE_MODE_{rule.mode}"),
        renewal_limit=rule.renewals,
        renew_overdue=rule.renew_overdue,
        renew_window_days=rule.window,
        max_total_days=0 if rule.most_total == model.MOST_DAYS else rule.most_total,
        fine_period_days=rule.period if rule.period > 1 else chance.choice((0, 1)),
        grace_days=rule.grace,
        grace_excluded=rule.grace_excluded,
        skip_closed_days=rule.skip_closed,
        cap_at_price=rule.cap_at_price,
    )
    if not rule.lendable or chance.random() < 0.5:
        message.lendable = rule.lendable
    if rule.from_now:
        message.renew_from = circulation_rule_pb2.RENEW_FROM_NOW
    if rule.at_end:
        message.fine_charged_at = circulation_rule_pb2.FINE_CHARGED_AT_END
    return _with_optional_fields(message, rule)


def _with_optional_fields(
    message: circulation_rule_pb2.CirculationRule, rule: Rule
) -> circulation_rule_pb2.CirculationRule:
    if rule.renewal_days is not None:
        message.renewal_days = rule.renewal_days
    if rule.type_limit is not None:
        message.item_type_limit = rule.type_limit
    if rule.rate:
        message.fine_rate.CopyFrom(money(rule.rate))
    if rule.cap is not None:
        message.fine_cap.CopyFrom(money(rule.cap))
    for name in ("ceiling", "floor", "fixed"):
        if day := getattr(rule, name):
            getattr(message, f"term_{name}_date").CopyFrom(date(day))
    return message
