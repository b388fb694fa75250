"""Dates and amounts of money, as people type and read them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from library_domain.money import NANOS, money_nanos


class DateType(click.ParamType[date]):
    """A date, as 2026-12-24."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-12-24.", param, ctx)


class AmountType(click.ParamType[Money]):
    """An amount of money, as `0.20 EUR`."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Money:
        if isinstance(value, Money):
            return value
        amount, _, currency = value.strip().partition(" ")
        try:
            nanos = Decimal(amount) * NANOS
            whole = int(nanos)
        except (InvalidOperation, ValueError, OverflowError):
            nanos, whole = Decimal(-1), 0
        if nanos != whole or not 0 <= whole < NANOS * NANOS or not currency.strip():
            self.fail(f'{value!r} is not an amount such as "0.20 EUR".', param, ctx)
        return Money(currency_code=currency.strip().upper(), units=whole // NANOS, nanos=whole % NANOS)


DATE, AMOUNT = DateType(), AmountType()


def amount_text(money: Money) -> str:
    """Return an amount with at least two decimals: `0.20 EUR`."""
    whole, decimals = f"{Decimal(money_nanos(money)) / NANOS:.9f}".split(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')} {money.currency_code}"


def day_text(day: Date) -> str:
    """Return a date as 2026-12-24."""
    return f"{day.year:04d}-{day.month:02d}-{day.day:02d}"
