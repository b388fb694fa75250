"""A MARC record as a reader yields it, and the limits of what is read."""

from __future__ import annotations

from dataclasses import dataclass

from pymarc import Record

from library_formats.records import Place, RecordProblem

MOST_RECORD_BYTES = 1_000_000
"""The most bytes of a record. ISO 2709 can state 99,999 at most, but some systems write longer records."""

MOST_MARKUP_BYTES = 4_000_000
"""The most bytes of a record in JSON with its names and signs, which can be three times its texts."""

MOST_FIELDS = 12_000
"""The most fields of a record: those of a book with 10,000 copies, and some more."""

MOST_PROBLEMS = 20
"""Problems of the form, and values that were not taken, that are reported of one record."""

SHOWN = 100
"""Characters that a problem shows of a text from the file."""


BAD_CODE = "The code of a subfield is not a letter or digit; the subfield was left out."


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


LEADER_LENGTH = 24
LONGEST_CONTROL_NUMBER = 60


def control_number_of(record: Record) -> str:
    """Return field 001 of a record, or ""."""
    text = (record["001"].data or "").strip() if "001" in record else ""
    return shown(text[:LONGEST_CONTROL_NUMBER])


def is_control_tag(tag: str) -> bool:
    """Return whether a field has no subfields."""
    return tag.isdigit() and tag < "010"


def usable_leader(leader: str, problems: list[RecordProblem]) -> str:
    """Return a leader of 24 characters, the missing ones blank. In XML and JSON, editors often cut or fill it."""
    plain = "".join(char if " " <= char <= "~" else " " for char in leader[:LEADER_LENGTH])
    if len(leader) != LEADER_LENGTH:
        problems.append(whole(f"The leader has {len(leader)} characters, not {LEADER_LENGTH}."))
    return plain.ljust(LEADER_LENGTH)
