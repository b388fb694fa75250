"""Barcodes of items and numbers of cards: their normal form, the library's own series, and ranges.

A number of the library's own series has 14 digits: 3 for an item or 2 for a card, four digits for the library, eight
that count, and a check digit by the Luhn algorithm (ISO/IEC 7812-1, annex B).
"""

from __future__ import annotations

import re

from stdnum import luhn

from service_kit.text.invisible import stripped
from service_kit.validation import is_visible

MOST_CHARACTERS = 40

ITEM_DIGIT = "3"
CARD_DIGIT = "2"
LIBRARY = "0001"

LAST_IN_SERIES = 99_999_999
"""The last number of a series, by its eight digits."""

_IN_SERIES = re.compile("[23][0-9]{13}", re.ASCII)
_END_OF_RANGE = re.compile("(?P<before>.*?)(?P<number>[0-9]+)", re.ASCII | re.DOTALL)
_WITH_DIGIT = "must end with a digit"


class RangeInvalid(ValueError):
    """The ends of a range do not name one. `problems` has what is wrong with each: `first`, `last`."""

    def __init__(self, **problems: str) -> None:
        super().__init__("; ".join(f"{end}: {problem}" for end, problem in problems.items()))
        self.problems = problems


def normalized_barcode(text: str) -> str:
    """Return a barcode or card number as it is stored and compared: in upper case, without blanks at its ends.

    Raises ValueError with the problem, as the end of a sentence.
    """
    barcode = stripped(text).upper()
    if not barcode:
        raise ValueError("must have a visible character")
    if len(barcode) > MOST_CHARACTERS:
        raise ValueError(f"must have at most {MOST_CHARACTERS} characters")
    if not all(char.isprintable() and is_visible(char) for char in barcode):
        raise ValueError("must not contain blanks or invisible characters")
    return barcode


def item_barcode(number: int) -> str:
    """Return the barcode with this number, from 1, of the library's series for items."""
    return _numbered(ITEM_DIGIT, number)


def card_number(number: int) -> str:
    """Return the card number with this number, from 1, of the library's series for cards."""
    return _numbered(CARD_DIGIT, number)


def has_check_digit(barcode: str) -> bool:
    """Return whether a barcode has the form of a library's series, and the check digit that belongs to the others."""
    return _IN_SERIES.fullmatch(barcode) is not None and luhn.is_valid(barcode)


def barcodes_of_range(first: str, last: str, most: int) -> list[str]:
    """Return the barcodes from `first` to `last`, both of which `normalized_barcode` has returned.

    The digits at their ends count up. If both have the form and the check digit of a series, the digits before the
    check digit count up, and each barcode has its own check digit.
    Raises `RangeInvalid`, also for more than `most` barcodes.
    """
    ends = {end: _END_OF_RANGE.fullmatch(barcode) for end, barcode in (("first", first), ("last", last))}
    begin, end = ends["first"], ends["last"]
    if begin is None or end is None:
        raise RangeInvalid(**{name: _WITH_DIGIT for name, found in ends.items() if found is None})
    if begin["before"] != end["before"] or len(first) != len(last):
        raise RangeInvalid(last="must have the length of the first barcode, and what precedes its number")
    if has_check_digit(first) and has_check_digit(last):
        return [with_check_digit(digits) for digits in _counted("", first[:-1], last[:-1], most)]
    return _counted(begin["before"], begin["number"], end["number"], most)


def with_check_digit(digits: str) -> str:
    """Return these digits and their check digit."""
    return digits + luhn.calc_check_digit(digits)


def _counted(before: str, first: str, last: str, most: int) -> list[str]:
    count = int(last) - int(first) + 1
    if count < 1:
        raise RangeInvalid(last="must not be before the first barcode")
    if count > most:
        raise RangeInvalid(last=f"must be at most {most} barcodes from the first, but the range has {count}")
    return [f"{before}{number:0{len(first)}}" for number in range(int(first), int(first) + count)]


def _numbered(digit: str, number: int) -> str:
    if not 1 <= number <= LAST_IN_SERIES:
        raise ValueError(f"the series has the numbers 1 to {LAST_IN_SERIES}, not {number}")
    return with_check_digit(f"{digit}{LIBRARY}{number:08}")
