"""A file of books as people make it, and what is to come of it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from library_cli.importing.reading.problems import AS_FOUND, Choices

DUNE = "9780441013593"
NEUROMANCER = "9780441569595"  # 0-441-56959-5
MADE_A_DATE = "a spreadsheet has made a date of this text; format the cell as text, and type it again"
WHAT_COMMAS_MAY_MEAN = "say --last-first for Last, First, or --authors-separator , for several"
GUESS = (
    'its text is in windows-1252, which is a guess: "Étranger", "À"; '
    "--encoding chooses another one, such as windows-1250, windows-1257, macintosh"
)
SEPARATORS = {",": [], ";": ["this file is separated by ';'"], "\t": ["this file is separated by tabs"]}
SEPARATORS["|"] = ["this file is separated by '|'"]


class Case(NamedTuple):
    """A file, and what is to come of it."""

    content: bytes
    goes_in: list[str]
    """For each row its line, and its values or, after an exclamation mark, the field and the reason at fault."""
    shown: list[str] | None = None
    """What is shown exactly; None where `SHOWN` has it."""
    is_guess: bool = False
    choices: Choices = AS_FOUND
    remarks: tuple[str, ...] = ()


def lines(*objects: dict[str, Any]) -> bytes:
    return "".join(json.dumps(found, ensure_ascii=False) + "\n" for found in objects).encode()
