"""A circulation rule: all values by which one kind of item is lent to one kind of user at one branch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import TypeVar

from google.type.money_pb2 import Money

from library.v1 import circulation_rule_pb2
from library_domain.local_dates import optional_date
from library_domain.money import money_nanos
from service_kit.text.keys import text_key

DEFAULT_LOAN_DAYS = 14
"""The days of a loan by a rule that has neither days nor hours."""

DEFAULT_MOST_DAYS = 365
"""The most days for which a borrower can ask, and of a loan with its renewals, if the rule has no other number."""


class DueMode(IntEnum):
    """How closed days move a due date. The numbers are those of `library.v1.DueMode`."""

    IGNORE = 1
    NEXT_OPEN = 2
    PREV_OPEN = 3
    COUNT_OPEN = 4
    SAME_WEEKDAY = 5


class RenewFrom(IntEnum):
    """From which date a renewal counts. The numbers are those of `library.v1.RenewFrom`."""

    DUE = 1
    NOW = 2


class FineChargedAt(IntEnum):
    """When a fine period is charged. The numbers are those of `library.v1.FineChargedAt`."""

    START = 1
    END = 2


Number = TypeVar("Number", bound=IntEnum)


@dataclass(frozen=True)
class CirculationRule:
    """A whole row of the table of rules. A loan keeps a copy of the row by which it was lent or last renewed.

    The defaults are what the contract's fields mean if they are not set.
    """

    id: str = ""
    branch: str = ""
    """The code of a branch. Empty: any."""
    user_category_key: str = ""
    """The `text_key` of a category of users. Empty: any."""
    item_type_key: str = ""
    """The `text_key` of a type of items. Empty: any."""
    lendable: bool = True
    loan_days: int = DEFAULT_LOAN_DAYS
    loan_hours: int = 0
    """If it is not 0, loans last for hours, and `loan_days` is not used."""
    most_days: int = DEFAULT_MOST_DAYS
    """The most days for which a borrower can ask."""
    due_mode: DueMode = DueMode.IGNORE
    renewal_limit: int = 0
    """How often a loan can be renewed."""
    renewal_days: int | None = None
    """Days by which a loan is renewed; hours in a rule with hours. None: the period of the loan."""
    renew_from: RenewFrom = RenewFrom.DUE
    renew_overdue: bool = False
    renew_window_days: int = 0
    """How many days before its due date a loan can be renewed at the earliest. 0: at any time."""
    most_total_days: int = DEFAULT_MOST_DAYS
    """The most days from the check-out to the due date, renewals included."""
    term_ceiling_date: date | None = None
    term_floor_date: date | None = None
    term_fixed_date: date | None = None
    currency: str = ""
    """The ISO 4217 code of the rule's amounts, which are in billionths of its unit."""
    fine_rate: int = 0
    """What a fine period costs."""
    fine_period_days: int = 1
    fine_charged_at: FineChargedAt = FineChargedAt.START
    grace_days: int = 0
    grace_excluded: bool = False
    """Whether the days of grace are free also for a loan that comes back after them."""
    skip_closed_days: bool = False
    fine_cap: int | None = None
    """The most that is charged for a loan. None: no limit; 0: nothing is ever charged."""
    cap_at_price: bool = False
    """Whether the fine of a loan is at most the item's price."""
    item_type_limit: int | None = None
    """The most open loans of items of this type that a user can have. None: no limit."""
    snapshot: bytes = field(default=b"", repr=False)
    """The serialized message, of which a loan keeps a copy."""

    @classmethod
    def from_message(cls, rule: circulation_rule_pb2.CirculationRule) -> CirculationRule:
        """Convert the message. Raises `ValueError` for a term date that does not exist."""
        return cls(
            id=rule.id,
            branch=rule.branch,
            user_category_key=text_key(rule.user_category),
            item_type_key=text_key(rule.item_type),
            lendable=rule.lendable if rule.HasField("lendable") else True,
            loan_days=rule.loan_days or DEFAULT_LOAN_DAYS,
            loan_hours=rule.loan_hours,
            most_days=rule.max_loan_days or (0 if rule.loan_hours else DEFAULT_MOST_DAYS),
            due_mode=_known(rule.due_mode, DueMode.IGNORE),
            renewal_limit=rule.renewal_limit,
            renewal_days=rule.renewal_days if rule.HasField("renewal_days") else None,
            renew_from=_known(rule.renew_from, RenewFrom.DUE),
            renew_overdue=rule.renew_overdue,
            renew_window_days=rule.renew_window_days,
            most_total_days=rule.max_total_days or DEFAULT_MOST_DAYS,
            term_ceiling_date=optional_date(rule, "term_ceiling_date"),
            term_floor_date=optional_date(rule, "term_floor_date"),
            term_fixed_date=optional_date(rule, "term_fixed_date"),
            currency=rule.fine_rate.currency_code or rule.fine_cap.currency_code,
            fine_rate=money_nanos(rule.fine_rate),
            fine_period_days=rule.fine_period_days or 1,
            fine_charged_at=_known(rule.fine_charged_at, FineChargedAt.START),
            grace_days=rule.grace_days,
            grace_excluded=rule.grace_excluded,
            skip_closed_days=rule.skip_closed_days,
            fine_cap=money_nanos(rule.fine_cap) if rule.HasField("fine_cap") else None,
            cap_at_price=rule.cap_at_price,
            item_type_limit=rule.item_type_limit if rule.HasField("item_type_limit") else None,
            snapshot=rule.SerializeToString(deterministic=True),
        )

    def price_cap(self, price: Money) -> int | None:
        """Return the price of an item as a cap of its fine. None: the rule has no such cap, or the price is not known.

        A price in another currency than that of the fine is not known either.
        """
        if self.cap_at_price and price.currency_code == self.currency:
            return money_nanos(price)
        return None


def _known(number: int, default: Number) -> Number:
    """Return a member of an enumeration. Of a number that this version does not know, and of 0, the default."""
    try:
        return type(default)(number)
    except ValueError:
        return default
