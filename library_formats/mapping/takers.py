"""The functions that the rules of a mapping name: each takes one field of a record into the draft of a book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pymarc import Field

from library.v1.book_pb2 import Identifier, IdentifierType
from library_domain.identifiers import normalized_identifier
from library_domain.isbn import normalized_isbn13
from library_formats.mapping import texts
from library_formats.mapping.draft import Draft
from library_formats.mapping.names import take_name
from library_formats.mapping.rules import Rule
from library_formats.readers.raw import shown

Taker: TypeAlias = Callable[[Rule, Field, int, Draft], None]
"""Takes a field, which has a position in its record."""

SUBDIVISION = " -- "


def values_of(rule: Rule, field: Field) -> list[str]:
    """Return the texts of a field that a rule names, in the order of the field."""
    if field.control_field:
        texts_of_field = [field.data or ""]
    else:
        texts_of_field = [subfield.value for subfield in field.subfields if subfield.code in rule.subfields]
    return [text[rule.slice] for text in texts_of_field] if rule.positions else texts_of_field


def take_text(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the first text that is not empty."""
    for value in values_of(rule, field):
        draft.put(rule, field, draft.text(value))


def take_title(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the title proper and the titles of parts; numbers of parts if they are not the volume."""
    with_number = bool(draft.values.get("volume")) and draft.taken.get("volume") is not field
    parts: list[str] = []
    for code, value in field.subfields:
        if (code == "a" and not parts) or code == rule.part or (code == rule.number and with_number and parts):
            text = draft.text(value)
            if text:
                parts.append(text)
    draft.put(rule, field, ". ".join(parts))


def take_isbn(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the first valid ISBN as the book's own, others as identifiers."""
    for value in values_of(rule, field):
        written = texts.single_line(value)
        try:
            isbn = normalized_isbn13(written[:100])
        except ValueError as problem:
            draft.refuse("isbn", f"{shown(written)}: {problem}")
            continue
        if isbn and "isbn" in draft.values and isbn != draft.values["isbn"]:
            draft.identifiers.append((position, Identifier(type=IdentifierType.IDENTIFIER_TYPE_ISBN, value=isbn)))
        draft.put(rule, field, isbn)


def take_identifier(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take a number that identifies the book."""
    kind = IdentifierType.Value(f"IDENTIFIER_TYPE_{rule.type}")
    for value in values_of(rule, field):
        written = texts.single_line(value)
        if written and written.startswith(rule.prefix):
            number = Identifier(type=kind, value=written.removeprefix(rule.prefix).strip())
            try:
                draft.identifiers.append((position, normalized_identifier(number)))
            except ValueError as problem:
                draft.refuse("identifiers", f"{rule.type} {shown(number.value)}: {problem}")


def take_year(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the first year of four digits."""
    for value in values_of(rule, field):
        draft.put(rule, field, texts.year_of(value))


def take_year_before(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take a year before the common era."""
    for value in values_of(rule, field):
        digits = value.strip()
        if digits.isascii() and digits.isdigit() and len(digits) <= 4:
            draft.put(rule, field, -int(digits))


def take_language(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the code of a language as a tag."""
    for value in values_of(rule, field):
        draft.put(rule, field, texts.language_of(value))


def take_pages(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the number of pages."""
    for value in values_of(rule, field):
        draft.put(rule, field, texts.pages_of(value))


def take_series(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the first series."""
    take_text(rule, field, position, draft)


def take_series_volume(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the volume of the series that was taken."""
    if draft.taken.get("series") is field:
        take_text(rule, field, position, draft)


def take_description(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take a summary. $8 with the type x links the parts of a long one."""
    text = "".join(texts.several_lines(value) for value in values_of(rule, field))
    link = field.get("8", "") or ""
    number, _, kind = link.partition("\\")
    draft.descriptions.append((number.partition(".")[0] if kind == "x" else "", text))


def take_subject(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take a subject with its subdivisions."""
    text = ""
    for code, value in field.subfields:
        part = draft.text(value) if code in rule.subfields else ""
        if part:
            text += f"{SUBDIVISION if code in 'jvxyz' else ' '}{part}" if text else part
    if text:
        draft.subjects.append((position, text))


def take_terms(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take each subfield as a subject."""
    terms = (draft.text(value) for value in values_of(rule, field))
    draft.subjects += ((position, term) for term in terms if term)


def take_further_genre(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take a genre as a subject, unless it is the category."""
    if draft.taken.get("category") is not field:
        take_subject(rule, field, position, draft)


def take_dewey(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the main class of a Dewey number."""
    for value in values_of(rule, field):
        draft.put(rule, field, texts.main_class(value))


def take_unspecified_format(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Note that the format is not known, so that the leader does not decide it."""
    if "zu" in values_of(rule, field):
        draft.values.setdefault("format", "")


def take_address(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take the address of a cover, which a label says it is."""
    label = " ".join(field.get_subfields(*rule.label)).casefold()
    if any(word in label for word in rule.label_words.split()):
        for value in values_of(rule, field):
            draft.put(rule, field, texts.single_line(value))


TAKERS: Mapping[str, Taker] = {
    "address": take_address,
    "description": take_description,
    "dewey": take_dewey,
    "further_genre": take_further_genre,
    "identifier": take_identifier,
    "isbn": take_isbn,
    "language": take_language,
    "name": take_name,
    "pages": take_pages,
    "series": take_series,
    "series_volume": take_series_volume,
    "subject": take_subject,
    "terms": take_terms,
    "text": take_text,
    "title": take_title,
    "unspecified_format": take_unspecified_format,
    "year": take_year,
    "year_before": take_year_before,
}
