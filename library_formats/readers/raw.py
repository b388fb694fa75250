"""A MARC record as a reader yields it, and the limits of what is read."""

from __future__ import annotations

from dataclasses import dataclass

from pymarc import Record

from library_formats.records import Place, RecordProblem

MOST_RECORD_BYTES = 1_000_000
"""The most bytes of a record. ISO 2709 can state 99,999 at most, but some systems write longer records."""

MOST_FIELDS = 12_000
"""The most fields of a record: those of a book with 10,000 copies, and some more."""

SHOWN = 100
"""Characters that a problem shows of a text from the file."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A MARC record of a file, with its texts decoded."""

    number: int
    after: Place
    control_number: str
    record: Record | None
    """None: it could not be read, and `problems` explains why."""
    problems: tuple[RecordProblem, ...] = ()


def whole(description: str) -> RecordProblem:
    """Return a problem of a whole record."""
    return RecordProblem("", description)


def shown(text: str) -> str:
    """Return the beginning of a text, fit for one line of a message."""
    plain = "".join(char if char.isprintable() else "�" for char in text[:SHOWN])
    return plain + "…" if len(text) > SHOWN else plain
