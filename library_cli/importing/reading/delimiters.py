"""Find out what separates the values of a text: a comma, a semicolon, a tab or a vertical bar."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from library_cli.importing.reading.problems import NotBooks

DELIMITERS = {",": "','", ";": "';'", "\t": "tabs", "|": "'|'"}
"""In the order in which they are preferred, and what they are called in messages."""

NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "bar": "|"}

SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[^\r\n"]|\\t)"?(?P<others>[,;\t|]*)\s*', re.IGNORECASE)
"""The first line that Excel writes, and reads, to name the separator."""

SAMPLE_RECORDS = 50


class Delimiter(NamedTuple):
    """What separates values, and whether that is only a guess."""

    char: str
    is_guess: bool = False


class _Score(NamedTuple):
    """How well a delimiter explains the beginning of a text; the higher, the better."""

    known_headings: float
    later_headings: float
    """Where lines come before them: the rows are not read then, but the message shows the headings."""
    regular_rows: float
    columns: int


def said_delimiter(chosen: str) -> Delimiter:
    """Return the delimiter that --delimiter names. Raises NotBooks for one that cannot separate values."""
    char = NAMES.get(chosen.lower(), chosen)
    if len(char) != 1 or char in '"\r\n ' or char.isalnum():
        raise NotBooks(f"cannot be read: --delimiter {chosen!r} is not one of , ; tab | or another single character")
    return Delimiter(char)


def delimiter_of(lines: Sequence[str], columns: int, known_heading: Callable[[str], float]) -> Delimiter:
    """Return what separates the values in the lines at the beginning of a text.

    Args:
        lines: The beginning, whole lines.
        columns: How many columns a person says there are; 0 when the first line names them.
        known_heading: How certain it is that a text is a heading, 0 to 1.
    """
    scores = {char: _score(parsed(lines, char)[:SAMPLE_RECORDS], columns, known_heading) for char in DELIMITERS}
    best = max(DELIMITERS, key=lambda char: scores[char])
    score = scores[best]
    has_evidence = score.regular_rows == 1 if columns else score.known_headings >= 1
    return Delimiter(best, is_guess=best != "," and not has_evidence)


def _score(records: list[list[str]], columns: int, known_heading: Callable[[str], float]) -> _Score:
    if not records:
        return _Score(0, 0, 0, 0)
    width = columns or len(records[0])
    others = records if columns else records[1:]
    regular = sum(len(record) == width for record in others) / len(others) if others and width > 1 else 0.0
    known = 0.0 if columns else sum(map(known_heading, records[0]))
    later = 0.0 if columns or known else max((sum(map(known_heading, row)) for row in others[:10]), default=0.0)
    return _Score(known, later if later > 1 else 0.0, regular, min(width, len(records[0])) if width > 1 else 0)


def parsed(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Return the records that the lines have, blank ones left out, as well as they can be read."""
    found = []
    try:
        for record in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
            values = [value.strip() for value in record]
            if any(values):
                found.append(values)
    except csv.Error:
        pass  # a sample may end, or be wrong, anywhere
    return found
