"""The fine of a loan: for a return, for a renewal that comes late, and to show it so far."""

from __future__ import annotations

from typing import NamedTuple

import peewee
from google.type.money_pb2 import Money

from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.fines import fine_so_far
from frontend_server.circulation.policy import Policy
from frontend_server.store.models import Item, Loan
from library.v1 import item_pb2, loan_pb2
from library_domain.loans import loan_message
from library_domain.money import minor_unit, set_amount
from service_kit.statements import Statement, param

OTHER_FINES = Statement(
    Loan.select(peewee.fn.SUM(Loan.fine_nanos)).where(
        Loan.user_id == param("user_id"), Loan.fine_currency == param("currency"), Loan.id != param("loan_id")
    )
)
FIND_MESSAGE = Statement(Item.select(Item.message).where(Item.id == param("item_id")))


class Fine(NamedTuple):
    """An amount in billionths of a unit of a currency; of no currency if nothing is owed."""

    currency: str
    nanos: int


def fine_of(loan: Loan, policy: Policy, until: int) -> Fine:
    """Return the whole fine of a loan that comes back at `until`: what renewals have assessed, and what is new.

    It is computed by the rule of the loan and by the calendar of today of the branch that lent.
    """
    rule = policy.rule_of_loan(bytes(loan.rule or b""))
    unit = minor_unit(rule.currency)
    new = 0
    if until > loan.due_time:
        new = fine_so_far(
            rule,
            policy.branch_of_loan(loan.branch, loan.time_zone),
            loan.due_time,
            until,
            assessed_before=loan.assessed_nanos // unit,
            price_cap=_price_cap(loan, rule),
            left_of_user_cap=_left_of_user_cap(loan, rule.currency, policy),
        )
    nanos = loan.assessed_nanos + new * unit
    if not nanos:
        return Fine("", 0)
    return Fine(loan.fine_currency if loan.assessed_nanos else rule.currency, nanos)


def shown_loan(loan: Loan, policy: Policy, now: int) -> loan_pb2.Loan:
    """Convert a row to the message, with the fine so far."""
    message = loan_message(loan, now)
    if loan.return_time is None and (loan.due_time < now or loan.assessed_nanos):
        fine = fine_of(loan, policy, now)
        if fine.nanos:
            set_amount(message.fine_so_far, *fine)
    return message


def _price_cap(loan: Loan, rule: CirculationRule) -> int | None:
    row = FIND_MESSAGE.row(item_id=loan.item_id) if rule.cap_at_price and loan.item_id else None
    if row is None:
        return None
    item = item_pb2.Item.FromString(bytes(row[0]))
    return rule.price_cap(item.price) if item.HasField("price") else None


def _left_of_user_cap(loan: Loan, currency: str, policy: Policy) -> int | None:
    """Return how much more the user can be charged for this loan, in minor units. None: there is no limit."""
    if policy.user_fine_cap is None or policy.user_fine_cap_currency != currency:
        return None
    row = OTHER_FINES.row(user_id=loan.user_id, currency=currency, loan_id=loan.id)
    others = int(row[0] or 0) if row else 0
    left = policy.user_fine_cap - (others + loan.assessed_nanos) // minor_unit(currency)
    return max(0, left)


def money(fine: Fine) -> Money:
    """Convert an amount to the message."""
    message = Money()
    set_amount(message, *fine)
    return message
