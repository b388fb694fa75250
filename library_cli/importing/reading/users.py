"""Read the users in a file: CSV, an Excel workbook or JSON Lines.

A row becomes the EnrollUserRequest for the frontend service, or the problem for which it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import IO

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_cli.importing.reading.books import table_of
from library_cli.importing.reading.fields import key_of
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks, quoted
from library_cli.importing.reading.table import Row, Value
from library_cli.importing.reading.values import without_protection
from library_cli.times import end_of_day
from library_domain.barcodes import normalized_barcode
from library_domain.emails import checked_email
from service_kit.errors import FieldInvalid
from service_kit.validation import joined, problems

SYNONYMS: dict[str, tuple[str, ...]] = {
    "email": ("E-mail", "E-mail address", "Mail", "Mail address", "Correo", "Courriel"),
    "first_name": ("First name", "Given name", "Forename", "Vorname", "Prénom", "Nombre"),
    "last_name": ("Last name", "Surname", "Family name", "Nachname", "Familienname", "Apellidos"),
    "card_number": ("Card", "Card no", "Library card", "Barcode", "Patron barcode", "Kartennummer", "Ausweisnummer"),
    "user_category": ("Category", "Patron category", "Patron type", "User type", "Kategorie", "Benutzergruppe"),
    "group": ("Class", "Household", "Homeroom", "Klasse", "Gruppe"),
    "branch": ("Home branch", "Library", "Zweigstelle", "Filiale"),
    "expires": ("Expiry", "Expiry date", "Expiration date", "Expire date", "Valid until", "Gültig bis", "Ablaufdatum"),
    "note": ("Notes", "Comment", "Comments", "Remarks", "Bemerkung", "Notiz"),
}
"""The fields of a user that a file can have, each with the headings that are taken for it. Case, blanks and punctuation
do not matter."""

FIELD_OF = {key_of(heading): field for field, headings in SYNONYMS.items() for heading in (field, *headings)}

_DATES = (
    re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})(?:[T ][0-9:.]+)?"),
    re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})"),
)


@dataclass(frozen=True)
class UserRow:
    """A row of the file: a request, or what is wrong with it."""

    line: int
    request: EnrollUserRequest
    problems: Sequence[tuple[str, str]] = ()


class Users:
    """The users in a file. Raises NotBooks, at once or while iterating."""

    def __init__(self, file: IO[bytes], choices: Choices = AS_FOUND) -> None:
        self.table = table_of(file, choices, lambda heading: float(key_of(heading) in FIELD_OF))
        self.columns = _columns(self.table.headings, choices)

    @property
    def shown(self) -> list[str]:
        """Lines for people about how the file is read."""
        facts = self.table.facts
        taken = [
            f"{quoted(text)} as {field}"
            for text, field in zip(self.table.headings, self.columns, strict=False)
            if field
        ]
        return [*facts.certain, *facts.guessed, *([f"columns: {', '.join(taken)}"] if taken else [])]

    def __iter__(self) -> Iterator[UserRow]:
        for row in self.table.rows():
            yield self._user(row)

    def _user(self, row: Row) -> UserRow:
        request = EnrollUserRequest()
        if row.problem:
            return UserRow(row.line, request, [("", row.problem)])
        wrong: list[tuple[str, str]] = []
        for field, value in zip(self.columns, row.values, strict=False):
            text = _text(value)
            if field is None or not text:
                continue
            try:
                _set(request, field, text)
            except ValueError as problem:
                wrong.append((field, str(problem)))
        return UserRow(row.line, request, joined(wrong, _problems(request)))


def _columns(headings: Sequence[str], choices: Choices) -> list[str | None]:
    """Return the field of each column; None for one to leave out. Raises NotBooks for columns that are not known."""
    if choices.columns:
        return [None if name.strip() in ("-", "") else _field(name) for name in choices.columns]
    chosen = _chosen(headings, choices)
    fields = [chosen[key_of(text)] if key_of(text) in chosen else FIELD_OF.get(key_of(text)) for text in headings]
    unknown = [
        text for text, field in zip(headings, fields, strict=True) if text and not field and key_of(text) not in chosen
    ]
    if unknown:
        options = " ".join(f'--ignore "{text}"' for text in unknown)
        raise NotBooks(
            f"has columns that are not understood: {', '.join(map(quoted, unknown))}. Name the field of each with "
            f'--map "Heading=field", or leave it out: {options}\nThe fields are: {", ".join(SYNONYMS)}.'
        )
    named = [field for field in fields if field]
    if doubled := sorted({field for field in named if named.count(field) > 1}):
        raise NotBooks(f"has more than one column {doubled[0]!r}; leave out all but one with --ignore Heading")
    if not {"first_name", "last_name"} & set(named):
        raise NotBooks('has no column with a name: name one with --map "Heading=last_name"')
    return fields


def _chosen(headings: Sequence[str], choices: Choices) -> dict[str, str | None]:
    """Return the fields that --map and --ignore choose, by the keys of the headings."""
    chosen: dict[str, str | None] = dict.fromkeys(map(key_of, choices.ignores))
    for text in choices.maps:
        heading, equals, name = text.rpartition("=")
        if not equals:
            raise NotBooks(f'cannot be read: --map {text!r} is not of the form "Heading=field"')
        chosen[key_of(heading)] = _field(name)
    known = set(map(key_of, headings))
    if missing := [key for key in chosen if key not in known]:
        raise NotBooks(f"has no column {missing[0]!r}, which --map or --ignore names")
    return chosen


def _field(name: str) -> str:
    field = FIELD_OF.get(key_of(name))
    if field is None:
        raise NotBooks(f"cannot be read: {name.strip()!r} is not a field. The fields are: {', '.join(SYNONYMS)}.")
    return field


def _set(request: EnrollUserRequest, field: str, text: str) -> None:
    """Set a field of a request. Raises ValueError with the problem of the text."""
    if field == "expires":
        request.expire_time.CopyFrom(end_of_day(_date(text)))
    else:
        setattr(request, field, without_protection(text) if field == "card_number" else text)


def _date(text: str) -> date:
    for form in _DATES:
        if match := form.fullmatch(text):
            try:
                return date(int(match["year"]), int(match["month"]), int(match["day"]))
            except ValueError:
                break
    raise ValueError(f"{quoted(text)} is not a date such as 2027-01-31")


def _problems(request: EnrollUserRequest) -> list[tuple[str, str]]:
    """Return the problems that the service would find, so that a dry run finds them, too."""
    wrong = problems(request)
    further: list[tuple[str, str]] = []
    if request.email:
        try:
            checked_email(request.email)
        except FieldInvalid as invalid:
            further += invalid.problems
    if request.card_number:
        try:
            normalized_barcode(request.card_number)
        except ValueError as invalid:
            further.append(("card_number", str(invalid)))
    if not (request.first_name.strip() or request.last_name.strip()):
        further.append(("last_name", "must not be empty when first_name is empty"))
    return joined(wrong, further)


def _text(value: Value) -> str:
    if isinstance(value, list):
        return "; ".join(value).strip()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
