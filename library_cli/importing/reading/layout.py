"""The layout of a sheet: merged cells and hidden rows, which a person does not see as they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from openpyxl.utils import column_index_from_string

CHUNK = 2**18
LONGEST_TAG = 1_000
"""In bytes; a tag may be split between two chunks."""

_TAG = re.compile(
    rb"<(?:\w+:)?(?:mergeCell\s[^<>]*?\bref=[\"'](?P<merged>[A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})[\"']"
    rb"|row\s(?P<row>[^<>]*?\bhidden=[\"'](?:1|true)[\"'][^<>]*))"
)
_RANGE = re.compile(r"([A-Z]+)([0-9]+):[A-Z]+([0-9]+)")
_NUMBER = re.compile(rb"\br=[\"']([0-9]{1,7})")


@dataclass
class Layout:
    """The rows below the headings that are hidden, and the merged cells that take several rows."""

    hidden_rows: int = 0
    first_hidden: str = ""
    merged: list[str] = field(default_factory=list)

    @property
    def guessed(self) -> list[str]:
        """Lines about guesses, which a person must confirm."""
        lines = []
        if self.hidden_rows:
            lines.append(
                f"hidden rows are read like others: {self.hidden_rows}, the first one is row {self.first_hidden}"
            )
        if self.merged:
            shown = ", ".join(self.merged[:3])
            lines.append(f"of merged cells, only the first one has the value: {shown}")
        return lines


def layout_of(source: IO[bytes], heading_line: int, width: int) -> Layout:
    """Look through the XML of a sheet with this many columns; what is above its rows of books does not matter."""
    found = Layout()
    for match in _tags(source):
        if match["merged"]:
            cells = match["merged"].decode()
            column, first, last = _RANGE.fullmatch(cells).groups()  # type: ignore[union-attr]  # as _TAG has it
            if int(first) < int(last) > heading_line and column_index_from_string(column) <= width:
                found.merged.append(cells)
        elif (number := _NUMBER.search(match["row"])) and int(number[1]) > heading_line:
            found.hidden_rows += 1
            found.first_hidden = found.first_hidden or number[1].decode()
    return found


def _tags(source: IO[bytes]) -> Iterator[re.Match[bytes]]:
    rest = b""
    while chunk := source.read(CHUNK):
        text = rest + chunk
        end = 0
        for match in _TAG.finditer(text):
            end = match.end()
            yield match
        rest = text[max(end, len(text) - LONGEST_TAG) :]
