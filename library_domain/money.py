"""Amounts of money: billionths of a currency's unit while they are computed, whole minor units as results."""

from __future__ import annotations

from google.type.money_pb2 import Money

NANOS = 1_000_000_000
"""Billionths in a unit: the precision of `google.type.Money`."""

# ISO 4217, list one, column "minor unit". All other currencies have 2.
MINOR_DIGITS = (
    dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"], 0)
    | dict.fromkeys(["XAF", "XOF", "XPF"], 0)
    | dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)
    | dict.fromkeys(["CLF", "UYW"], 4)
)


def minor_unit(currency: str) -> int:
    """Return the billionths in one minor unit of a currency: 10,000,000 in a cent."""
    return int(NANOS // 10 ** MINOR_DIGITS.get(currency, 2))


def rounded_to_minor_units(currency: str, nanos: int) -> int:
    """Return an amount that is not negative in whole minor units. Half a minor unit is rounded up."""
    unit = minor_unit(currency)
    return (nanos + unit // 2) // unit


def money_nanos(money: Money) -> int:
    """Return an amount in billionths of its currency's unit."""
    return money.units * NANOS + money.nanos


def set_amount(money: Money, currency: str, nanos: int) -> None:
    """Set a field to an amount in billionths of a unit of a currency."""
    money.currency_code = currency
    money.units, money.nanos = divmod(nanos, NANOS)
