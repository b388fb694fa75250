"""What every kind of file is turned into: headings, and rows of values with the line that they begin at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

Value: TypeAlias = str | int | float | list[str]
"""A text; a number that the file stores as one; or, in JSON, a list of texts."""


class DateText(str):
    """A date or a time of day, as a text: a spreadsheet makes one of titles such as `March 7` and `11/22/63`."""


class Row(NamedTuple):
    """A row: the line where it begins, and a value for each column, or the problem of the row as a whole."""

    line: int
    values: Sequence[Value]
    problem: str = ""


@dataclass(frozen=True)
class Facts:
    """Lines for people about a file, from before its rows are read."""

    certain: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)


class Rejects(Protocol):
    """A file of the same format as the imported one, for refused rows."""

    def add(self, row: object) -> None:
        """Add a row as `Table.raw_row` returned it."""

    def close(self) -> None:
        """Finish the file."""


class Table(Protocol):
    """A file with columns. Headings are empty for a file that has none."""

    kind: str
    facts: Facts
    headings: Sequence[str]
    heading_line: int
    encoding: str
    """The encoding of a text that is neither UTF-8 nor marked; empty for others."""

    @property
    def samples(self) -> Sequence[Sequence[Value]]:
        """The values of some rows at the beginning."""

    @property
    def named_columns(self) -> int:
        """How many of the headings the file is known to have; the others are optional."""

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that have been read."""

    @property
    def last_line(self) -> int:
        """The number of the line that was read last."""

    @property
    def remarks(self) -> list[str]:
        """Lines for people about what was repaired, complete when the file has been read."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises NotBooks where the file cannot be read further."""

    def raw_row(self) -> object:
        """Return the row that was yielded last, as the file has it."""

    def rejects(self, path: Path) -> Rejects:
        """Begin a file of the same format, with the headings of this one."""
