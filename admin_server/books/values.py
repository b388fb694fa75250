"""The values of a book's fields: checked by the rules that the contract cannot express, and as columns store them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import Contributor, Identifier
from library_domain.book_fields import LIST_KINDS, BookField, FieldKind, limits
from library_domain.field_texts import contributor_texts, identifier_texts, list_text
from library_domain.identifiers import MOST_CHARACTERS, normalized_identifier
from library_domain.isbn import normalized_isbn13
from service_kit.errors import FieldInvalid
from service_kit.text.keys import text_key, tidied
from service_kit.validation import Problem, text_problems

EMPTY_LIST = "[]"
"""A list without items, as it is stored."""

MOST_IDENTIFIERS = limits("identifiers").repeated.max_items
MOST_CONTRIBUTORS = limits("contributors").repeated.max_items


def check_values(request: AddBookRequest) -> None:
    """Raise `FieldInvalid` with every wrong number and with every unfit text of an identifier or a contributor."""
    found: list[Problem] = []
    try:
        normalized_isbn13(request.isbn)
    except ValueError as error:
        found.append(("isbn", str(error)))
    # The contract reports longer lists and texts.
    for index, contributor in enumerate(request.contributors[:MOST_CONTRIBUTORS]):
        found += text_problems(contributor, f"contributors[{index}].")
    for index, identifier in enumerate(request.identifiers[:MOST_IDENTIFIERS]):
        found += text_problems(identifier, f"identifiers[{index}].") or _number_problems(identifier, index)
    if found:
        raise FieldInvalid(*found)


def _number_problems(identifier: Identifier, index: int) -> list[Problem]:
    if 0 < len(identifier.value) <= MOST_CHARACTERS:
        try:
            normalized_identifier(identifier)
        except ValueError as error:
            return [(f"identifiers[{index}].value", str(error))]
    return []


def _names_column(names: Iterable[str]) -> str:
    return _json([tidied(name) for name in names])


def _subjects_column(subjects: Iterable[str]) -> str:
    """Return the column of subjects, without those that differ from an earlier one in case or invisible characters."""
    distinct: dict[str, str] = {}
    for subject in subjects:
        distinct.setdefault(text_key(subject), tidied(subject))
    return _json(list(distinct.values()))


def _identifiers_column(identifiers: Iterable[Identifier]) -> str:
    normalized = (normalized_identifier(identifier) for identifier in identifiers)
    values = dict.fromkeys((identifier.type, identifier.value) for identifier in normalized)
    return _json([{"type": kind, "value": value} for kind, value in values])


def _contributors_column(contributors: Iterable[Contributor]) -> str:
    values = dict.fromkeys((tidied(contributor.name), tidied(contributor.role)) for contributor in contributors)
    return _json([{"name": name, "role": role} for name, role in values])


def _json(items: list[Any]) -> str:
    return json.dumps(items, ensure_ascii=False)


COLUMN_OF: dict[FieldKind, Callable[[Any], object]] = {
    FieldKind.TEXT: tidied,
    FieldKind.NAMES: _names_column,
    FieldKind.ISBN: normalized_isbn13,
    FieldKind.NUMBER: int,
    FieldKind.YEAR: int,
    FieldKind.SUBJECTS: _subjects_column,
    FieldKind.IDENTIFIERS: _identifiers_column,
    FieldKind.CONTRIBUTORS: _contributors_column,
}
"""Makes the column of a value that `check_values` has accepted."""


def shown_value(field: BookField, column: object) -> str:
    """Return the value of a column as files and people write it; "" for an unknown number."""
    if field.name == "total_copies":
        return str(column)
    if field.kind not in LIST_KINDS:
        return str(column or "")
    items = json.loads(str(column))
    if field.kind is FieldKind.IDENTIFIERS:
        items = identifier_texts(Identifier(**item) for item in items)
    elif field.kind is FieldKind.CONTRIBUTORS:
        items = contributor_texts(Contributor(**item) for item in items)
    return list_text(items)
