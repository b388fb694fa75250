"""What a late return costs: pure functions of times in microseconds since 1970.

Amounts are whole billionths of a currency's unit until they are rounded, once, to minor units: 1.40 EUR is 140.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from frontend_server.circulation.circulation_rule import CirculationRule, FineChargedAt
from frontend_server.circulation.lending_branch import LendingBranch
from library_domain.money import NANOS, minor_unit, rounded_to_minor_units


def days_late(rule: CirculationRule, branch: LendingBranch, due_time: int, until: int) -> int:
    """Return the number of local dates d with due date < d ≤ date of `until`, without closed days if the rule says so.

    The due date never counts, open or closed, and the date of the return always does, at any hour.
    """
    if until <= due_time:  # America/St_Johns, 2006-10-29: the clock went from 00:01 to 23:01 of the date before
        return 0
    due_date, return_date = branch.date_of(due_time), branch.date_of(until)
    if rule.skip_closed_days:
        return branch.calendar.open_days(after=due_date, until=return_date)
    return (return_date - due_date).days


def periods_charged(rule: CirculationRule, days: int) -> int:
    """Return how many fine periods a number of late days costs, after the days of grace."""
    if days <= rule.grace_days:
        return 0
    charged_days = days - rule.grace_days if rule.grace_excluded else days
    if rule.fine_charged_at is FineChargedAt.END:
        return charged_days // rule.fine_period_days
    return -(-charged_days // rule.fine_period_days)


def fine_so_far(
    rule: CirculationRule,
    branch: LendingBranch,
    due_time: int,
    until: int,
    *,
    assessed_before: int = 0,
    price_cap: int | None = None,
    left_of_user_cap: int | None = None,
) -> int:
    """Return the fine of a loan in minor units of the rule's currency, for the time after its due time.

    Nothing is written by this. What is assessed for a loan is the difference to what was assessed since its due time
    was set, so an assessment that runs twice adds nothing.

    Args:
        rule: The rule that the loan was made with, or renewed with.
        branch: The branch that lent.
        due_time: The due time since the last renewal.
        until: The return time, or now.
        assessed_before: What renewals of this loan were charged, in minor units. It counts for the caps of the loan.
        price_cap: The item's price where the rule has it as a cap: `CirculationRule.price_cap`. None: no such cap.
        left_of_user_cap: How much more the user can be charged, in minor units, apart from this fine. None: no limit.
    """
    unit = minor_unit(rule.currency)
    fine = periods_charged(rule, days_late(rule, branch, due_time, until)) * rule.fine_rate
    caps = [cap - assessed_before * unit for cap in (rule.fine_cap, price_cap) if cap is not None]
    if left_of_user_cap is not None:
        caps.append(left_of_user_cap * unit)
    return rounded_to_minor_units(rule.currency, max(0, min([fine, *caps])))


@dataclass(frozen=True)
class DailyFine:
    """The price of each day that a loan is late, in billionths of a unit of an ISO 4217 currency."""

    currency: str
    nanos: int

    @classmethod
    def parse(cls, text: str) -> DailyFine:
        """Parse a text such as `0.20 EUR`. Raises `ValueError`."""
        amount, _, currency = text.strip().partition(" ")
        try:
            nanos = Decimal(amount) * NANOS
            is_amount = 0 <= nanos <= 1_000 * NANOS and nanos == int(nanos)
        except InvalidOperation:  # not a number, or NaN
            nanos, is_amount = Decimal(0), False
        if not is_amount or not re.fullmatch("[A-Z]{3}", currency):
            raise ValueError(
                "a fine is an amount up to 1000, of at most 9 decimals, and a currency, as in '0.20 EUR', "
                f"and not {text!r}"
            )
        return cls(currency, int(nanos))
