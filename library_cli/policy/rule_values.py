"""The values of a circulation rule: the option for each, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from library.v1.circulation_rule_pb2 import (
    DUE_MODE_COUNT_OPEN,
    DUE_MODE_IGNORE,
    DUE_MODE_NEXT_OPEN,
    DUE_MODE_PREV_OPEN,
    DUE_MODE_SAME_WEEKDAY,
    FINE_CHARGED_AT_END,
    FINE_CHARGED_AT_START,
    RENEW_FROM_DUE,
    RENEW_FROM_NOW,
    CirculationRule,
)
from library_cli.policy.values import AMOUNT, DATE, amount_text, day_text
from library_cli.times import counted
from library_domain.local_dates import date_message

WHEN_CLOSED: dict[str, int] = {
    "that-day": DUE_MODE_IGNORE,
    "next-open": DUE_MODE_NEXT_OPEN,
    "previous-open": DUE_MODE_PREV_OPEN,
    "count-open": DUE_MODE_COUNT_OPEN,
    "same-weekday": DUE_MODE_SAME_WEEKDAY,
}
RENEW_FROM: dict[str, int] = {"due": RENEW_FROM_DUE, "now": RENEW_FROM_NOW}
CHARGED_AT: dict[str, int] = {"start": FINE_CHARGED_AT_START, "end": FINE_CHARGED_AT_END}


class Value(NamedTuple):
    """A value that an option sets."""

    option: str
    """The option without its hyphens, by which `--clear` names it."""
    field: str
    type: Any
    help: str
    convert: Callable[[Any], Any] = lambda given: given


_number = click.IntRange(min=0)

VALUES = (
    Value("lend", "lendable", bool, "Whether such items are lent."),
    Value("days", "loan_days", _number, "For how many days an item is lent."),
    Value("hours", "loan_hours", _number, "For how many hours an item is lent, instead of days."),
    Value("max-days", "max_loan_days", _number, "The most days for which a borrower can ask."),
    Value("when-closed", "due_mode", click.Choice(list(WHEN_CLOSED)), "What if an item would be due on a closed day.",
          WHEN_CLOSED.__getitem__),
    Value("renewals", "renewal_limit", _number, "How often a loan can be renewed."),
    Value("renewal-days", "renewal_days", _number, "By how many days a loan is renewed; hours in a rule with hours."),
    Value("renew-from", "renew_from", click.Choice(list(RENEW_FROM)), "From when a renewed period counts.",
          RENEW_FROM.__getitem__),
    Value("renew-overdue", "renew_overdue", bool, "Whether an overdue loan can be renewed."),
    Value("renew-window", "renew_window_days", _number, "How many days before it is due a loan can be renewed."),
    Value("max-total-days", "max_total_days", _number, "The most days of a loan with its renewals."),
    Value("due-by", "term_ceiling_date", DATE, "No loan is due after this date.", date_message),
    Value("due-from", "term_floor_date", DATE, "No loan is due before this date.", date_message),
    Value("due-on", "term_fixed_date", DATE, "Every loan is due on this date.", date_message),
    Value("fine", "fine_rate", AMOUNT, 'The fine for each period that a loan is late, such as "0.20 EUR".'),
    Value("fine-days", "fine_period_days", _number, "The days of such a period."),
    Value("fine-at", "fine_charged_at", click.Choice(list(CHARGED_AT)), "When a period is charged.",
          CHARGED_AT.__getitem__),
    Value("grace-days", "grace_days", _number, "For how many days late nothing is charged."),
    Value("grace-free", "grace_excluded", bool, "Whether the days of grace are free for later loans too."),
    Value("skip-closed", "skip_closed_days", bool, "Whether closed days are not charged."),
    Value("max-fine", "fine_cap", AMOUNT, "The most that is charged for a loan."),
    Value("up-to-price", "cap_at_price", bool, "Whether the fine is at most the price of the item."),
    Value("type-limit", "item_type_limit", _number, "The most items of this type that a user can have."),
)  # fmt: skip
"""In the order of the contract."""

DEFAULT_LOAN_DAYS = 14

OPTION_OF = {value.field: value.option for value in VALUES}


def shown_values(rule: CirculationRule) -> list[tuple[str, str]]:
    """Return the values of a rule that are set, each with the name of its option."""
    return [
        (OPTION_OF[field.name], _shown(field.name, value))
        for field, value in rule.ListFields()
        if field.name in OPTION_OF
    ]


def loan_text(rule: CirculationRule) -> str:
    """Return for how long the rule lends: `14 days`, `4 hours`, `not lent`."""
    if rule.HasField("lendable") and not rule.lendable:
        return "not lent"
    return counted(rule.loan_hours, "hour") if rule.loan_hours else counted(rule.loan_days or DEFAULT_LOAN_DAYS, "day")


def fine_text(rule: CirculationRule) -> str:
    """Return what a late loan costs: `0.20 EUR a day`, `1.00 EUR for 7 days, at most 5.00 EUR`."""
    if not (rule.fine_rate.units or rule.fine_rate.nanos):
        return "none"
    days = rule.fine_period_days or 1
    text = f"{amount_text(rule.fine_rate)} {'a day' if days == 1 else f'for {days} days'}"
    return f"{text}, at most {amount_text(rule.fine_cap)}" if rule.HasField("fine_cap") else text


def when_closed_text(rule: CirculationRule) -> str:
    """Return the value of `--when-closed`."""
    return _name_in(WHEN_CLOSED, rule.due_mode) or "that-day"


def _name_in(names: dict[str, int], number: int) -> str:
    return next((name for name, each in names.items() if each == number), "")


def _shown(field: str, value: Any) -> str:
    if isinstance(value, Money):
        return amount_text(value)
    if isinstance(value, Date):
        return day_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    names = {"due_mode": WHEN_CLOSED, "renew_from": RENEW_FROM, "fine_charged_at": CHARGED_AT}.get(field)
    return _name_in(names, value) if names else str(value)
