"""What is wrong with the values of a circulation rule, beyond the rules that the contract states for each field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from library.v1.circulation_rule_pb2 import CirculationRule
from library_domain.amounts import amount_problem
from library_domain.local_dates import date_of_message
from service_kit.validation import Problem

DEFAULT_LOAN_DAYS = 14
MOST_RENEWAL_DAYS = 365
"""More hours than this can be the period of a renewal in a rule with hours, but not more days."""


def value_problems(rule: CirculationRule) -> Iterator[Problem]:
    """Yield the problems of single values: dates that do not exist, and impossible amounts."""
    for field, value in rule.ListFields():
        if isinstance(value, Date) and _date_or_none(value) is None:
            yield field.name, "must be a date with year, month and day"
        elif isinstance(value, Money) and (problem := amount_problem(value)):
            yield field.name, problem


def contradictions(rule: CirculationRule, *, is_whole: bool) -> Iterator[Problem]:
    """Yield the problems of values that exclude each other.

    Args:
        rule: The values.
        is_whole: Whether a field that is not set has its usual value. In an update it can be any.
    """
    if rule.loan_days and rule.loan_hours:
        yield "loan_days", "must not be set together with loan_hours"
        yield "loan_hours", "must not be set together with loan_days"
    yield from _too_few_days(rule, is_whole)
    if is_whole and not rule.loan_hours and rule.renewal_days > MOST_RENEWAL_DAYS:
        yield "renewal_days", f"must be at most {MOST_RENEWAL_DAYS} in a rule without hours"
    yield from _term_problems(rule)
    rate, cap = rule.fine_rate.currency_code, rule.fine_cap.currency_code
    if rate and cap and rate != cap:
        yield "fine_cap", f"must be in {rate}, the currency of fine_rate"


def _too_few_days(rule: CirculationRule, is_whole: bool) -> Iterator[Problem]:
    days = rule.loan_days or (DEFAULT_LOAN_DAYS if is_whole and not rule.loan_hours else 0)
    for name in ("max_loan_days", "max_total_days"):
        if 0 < getattr(rule, name) < days:
            yield name, f"must be at least {days}, the days of a loan"


def _term_problems(rule: CirculationRule) -> Iterator[Problem]:
    terms = (rule.term_ceiling_date, rule.term_floor_date, rule.term_fixed_date)
    ceiling, floor, fixed = map(_date_or_none, terms)  # None also for one that is not set
    if floor and ceiling and floor > ceiling:
        yield "term_floor_date", f"must not be after term_ceiling_date, {ceiling}"
    if fixed and (floor or ceiling):
        yield "term_fixed_date", "must not be set together with term_floor_date or term_ceiling_date"


def _date_or_none(message: Date) -> date | None:
    try:
        return date_of_message(message)
    except ValueError:
        return None
