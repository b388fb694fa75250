"""Ranges of barcodes, such as `B00100..B00120`."""

from __future__ import annotations

import re
from typing import NamedTuple

from library_domain.barcodes import normalized_barcode

BETWEEN = ".."
"""What separates the ends of a range. Barcodes may contain hyphens."""

ENDS_WITH_NUMBER = re.compile(r"(?P<before>.*?)(?P<number>[0-9]+)")


class BarcodeRange(NamedTuple):
    """All barcodes of the same length from `first` to `last`."""

    first: str
    last: str

    @property
    def prefix(self) -> str:
        """What all barcodes of the range begin with."""
        different = (place for place, (one, other) in enumerate(zip(*self, strict=True)) if one != other)
        return self.first[: next(different, len(self.first))]

    def __contains__(self, barcode: object) -> bool:
        return isinstance(barcode, str) and len(barcode) == len(self.first) and self.first <= barcode <= self.last


def range_in(text: str) -> BarcodeRange | None:
    """Return the range that a text names; None for a single barcode.

    Raises:
        ValueError: The ends differ in length or in what precedes the number, or the first one is the greater.
    """
    if BETWEEN not in text:
        return None
    try:
        first, last = map(normalized_barcode, text.split(BETWEEN, 1))
    except ValueError as problem:
        raise ValueError(f"{text} is not a range: each end {problem}.") from problem
    ends = ENDS_WITH_NUMBER.fullmatch(first), ENDS_WITH_NUMBER.fullmatch(last)
    if not (ends[0] and ends[1]):
        raise ValueError(f"{text} is not a range: both ends must end with a number, as in B00100..B00120.")
    if len(first) != len(last) or ends[0]["before"] != ends[1]["before"]:
        raise ValueError(f"{text} is not a range: both ends must have the same length, and the same before the number.")
    if first > last:
        raise ValueError(f"{text} is not a range: its first barcode is greater than its last.")
    return BarcodeRange(first, last)
