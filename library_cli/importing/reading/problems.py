"""The error of a file that cannot be read, and the options for reading one."""

from __future__ import annotations

from dataclasses import dataclass

from library_cli.plain_text import one_line


class NotBooks(Exception):
    """The file cannot be read as books. The message is the end of a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Choices:
    """Options for reading a file. What they leave open is found out from the file."""

    maps: tuple[str, ...] = ()
    """Each `Heading=field`, or `#3=field` for the third column."""
    ignores: tuple[str, ...] = ()
    """Headings, or `#3`, of columns to leave out."""
    columns: tuple[str, ...] = ()
    """The fields of a file without a line of headings; `-` for a column to leave out."""
    delimiter: str = ""
    encoding: str = ""
    sheet: str = ""
    authors_separators: tuple[str, ...] = ()
    last_first: bool = False


AS_FOUND = Choices()
"""No options: everything is found out from the file."""


def quoted(text: str) -> str:
    """Return a text in double quotes, on one line and shortened, for messages."""
    plain = " ".join(one_line(text[: 4 * LONGEST_SHOWN]).split())
    return f'"{plain}"' if len(plain) <= LONGEST_SHOWN else f'"{plain[:LONGEST_SHOWN]}…"'


LONGEST_SHOWN = 40
"""In characters: enough to recognize a value."""
