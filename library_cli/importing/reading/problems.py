"""What can be wrong with a file as a whole, and the choices that a person makes about how it is read."""

from __future__ import annotations

from dataclasses import dataclass

from library_cli.plain_text import one_line


class NotBooks(Exception):
    """The file cannot be read as books. The message says why, as the end of a sentence about the file."""


@dataclass(frozen=True)
class Choices:
    """How the person who imports says that the file is to be read; what is not said is found out."""

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
"""Nothing is said: all is found out."""


def quoted(text: str) -> str:
    """Return a text in double quotes, on one line and shortened, as messages show headings and values."""
    plain = " ".join(one_line(text[: 4 * LONGEST_SHOWN]).split())
    return f'"{plain}"' if len(plain) <= LONGEST_SHOWN else f'"{plain[:LONGEST_SHOWN]}…"'


LONGEST_SHOWN = 40
"""In characters: enough to recognize a value."""
