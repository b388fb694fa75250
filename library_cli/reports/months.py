"""Months in which no loan was made, so that bars by month show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from library.admin.v1.report_service_pb2 import LoanCount

MOST_MONTHS = 1_200
"""A longer gap is left as it is: a clock was wrong."""


def with_months_between(counts: Iterable[LoanCount]) -> Iterator[LoanCount]:
    """Yield counts by month, and zeros for the months between two of them."""
    before: int | None = None
    for count in counts:
        number = _number(count.name)
        if before is not None and number - before <= MOST_MONTHS:
            yield from (LoanCount(name=_name(between)) for between in range(before + 1, number))
        yield count
        before = number


def _number(name: str) -> int:
    year, _, month = name.partition("-")
    return int(year) * 12 + int(month) - 1


def _name(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"
