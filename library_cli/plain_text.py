"""Foreign text, made safe for a line on a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Replace line breaks and control characters with spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
