"""A book while the rules of a mapping fill it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pymarc import Field, Record

from library.v1.book_pb2 import Contributor, Identifier
from library_formats.mapping.rules import Mapped, Rule
from library_formats.mapping.texts import single_line, without_isbd
from library_formats.readers.raw import MOST_PROBLEMS
from library_formats.records import RecordProblem

PUNCTUATION_OMITTED = "cn"
"""Position 18 of the leader: the texts have no punctuation of ISBD."""


@dataclass(slots=True)
class Draft:
    """The values of a book so far. Lists are in the order of the record, not of the rules."""

    record: Record
    mapping: Mapped
    is_unimarc: bool
    keeps_punctuation: bool
    values: dict[str, str | int] = field(default_factory=dict)
    isbn_field: Field | None = None
    authors: list[tuple[int, str]] = field(default_factory=list)
    contributors: list[tuple[int, Contributor]] = field(default_factory=list)
    subjects: list[tuple[int, str]] = field(default_factory=list)
    identifiers: list[tuple[int, Identifier]] = field(default_factory=list)
    descriptions: list[tuple[str, str]] = field(default_factory=list)
    """The link of each text, or "", and the text."""
    taken: dict[str, Field] = field(default_factory=dict)
    """The field that a value was taken from, by target."""
    problems: list[RecordProblem] = field(default_factory=list)

    def text(self, value: str) -> str:
        """Return a text of the record in one line, without the punctuation at its end."""
        plain = single_line(value)
        return plain if self.keeps_punctuation else without_isbd(plain)

    def put(self, rule: Rule, source: Field | None, value: str | int) -> None:
        """Set a single value, unless an earlier rule or field has set it."""
        if value and rule.target not in self.values:
            self.values[rule.target] = value
            if source is not None:
                self.taken[rule.target] = source

    def refuse(self, target: str, description: str) -> None:
        """Note what was not taken from the record: a record can have 300,000 wrong numbers, of which some are noted."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(RecordProblem(target, description))
