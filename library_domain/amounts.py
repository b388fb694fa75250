"""What is wrong with an amount of money in a request."""

from __future__ import annotations

import re

from google.type.money_pb2 import Money

from library_domain.money import NANOS

MOST_UNITS = 1_000_000
"""The greatest amount, in units of any currency. Sums of such amounts fit into 64 bits as billionths of a unit."""

_CURRENCY = re.compile("[A-Z]{3}")


def amount_problem(money: Money) -> str:
    """Return what makes an amount impossible as a price or a fine; "" if it is possible.

    A part of the smallest coin is possible: a fine is rounded once, when all its periods have been added.
    """
    if not _CURRENCY.fullmatch(money.currency_code):
        return "must have a currency of three capital letters, such as EUR"
    if money.units < 0 or money.nanos < 0:
        return "must not be negative"
    if money.nanos >= NANOS:
        return f"must have fewer than {NANOS:,} nanos"
    if money.units > MOST_UNITS or (money.units == MOST_UNITS and money.nanos):
        return f"must be at most {MOST_UNITS:,}"
    return ""
