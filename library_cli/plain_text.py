"""Text from elsewhere, made fit for a line on a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Put spaces for what would break the line, or would command the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
