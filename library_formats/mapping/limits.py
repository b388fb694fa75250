"""Leave out of a book what breaks the limits of the contract, and report it. Nothing is cut."""

from __future__ import annotations

import re

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library_domain.book_fields import limits
from library_formats.records import RecordProblem
from service_kit.validation import problems

MOST_ITEMS = {name: limits(name).repeated.max_items for name in ("authors", "subjects", "identifiers", "contributors")}

_PATH = re.compile(r"(?P<field>[a-z_]+)(?:\[(?P<index>\d+)\])?.*", re.DOTALL)

LEFT_OUT = "it was left out"
CONDITION = "title"
"""The field without which a record is refused."""


def within_limits(book: AddBookRequest) -> tuple[AddBookRequest | None, list[RecordProblem]]:
    """Return a book without the values that break a limit, and these as problems; None if the title does.

    Of a list, the item that breaks a limit is left out, or those after the most that the contract accepts.
    """
    found = _without_overflow(book)
    wrong: dict[str, set[int]] = {}
    for path, description in problems(book):
        place = _PATH.fullmatch(path)
        field = place["field"] if place else path
        found.append(RecordProblem(field, f"{description}; {LEFT_OUT}"))
        wrong.setdefault(field, set()).update({int(place["index"])} if place and place["index"] else ())
    if CONDITION in wrong:
        return None, [problem for problem in found if problem.field == CONDITION]
    for field, indexes in wrong.items():
        if not indexes:
            book.ClearField(field)  # type: ignore[arg-type]
        for index in sorted(indexes, reverse=True):
            del getattr(book, field)[index]
    return book, found


def _without_overflow(book: AddBookRequest) -> list[RecordProblem]:
    found = []
    for field, most in MOST_ITEMS.items():
        values = getattr(book, field)
        if len(values) > most:
            found.append(RecordProblem(field, f"has {len(values)} values; those after the first {most} were left out"))
            del values[most:]
    return found
