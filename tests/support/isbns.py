"""ISBNs for tests."""

from __future__ import annotations


def isbn13(number: int) -> str:
    """The `number`th ISBN of some publisher, with its check digit by ISO 2108."""
    twelve = f"978{number:09}"
    return twelve + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve)) % 10)
