"""The price of a late return: pure functions of times in microseconds since 1970."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from library_domain.loans import NANOS
from service_kit.clock import DAY


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


def fine_nanos(daily: DailyFine, due_time: int, return_time: int) -> int:
    """Return the fine for a loan that is returned at `return_time`: for each day begun after its due time."""
    days_begun = -((due_time - return_time) // DAY)
    return max(0, days_begun) * daily.nanos
