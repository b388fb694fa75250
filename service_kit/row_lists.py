"""The rows of a page of a list, from a table with an integer primary key `key`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import peewee

from service_kit.full_text import match, rows_with_words
from service_kit.id_prefixes import in_id_range
from service_kit.paging import ListRequest, page_size, row_position
from service_kit.text.expressions import Expression
from service_kit.unreadable import Damaged, read_rows

Model = TypeVar("Model", bound=peewee.Model)


def list_rows(
    model: type[Model], request: ListRequest, conditions: Sequence[Any] = (), id_prefix: str = ""
) -> list[Model | Damaged]:
    """Read the rows of a page that meet the conditions, and one row more, in the order of the key.

    With `id_prefix`, read those whose `id` begins with it, in the order of the ids. Raises `FieldInvalid` for a page
    token of another list.
    """
    columns: Any = model
    after = row_position(request)
    if id_prefix:
        query = in_id_range(_rows(model, conditions), model, id_prefix, after)
    else:
        query = model.select().where(columns.key > after, *conditions).order_by(columns.key)
    return read_rows(query.limit(page_size(request) + 1), model)


def list_newest_rows(model: type[Model], request: ListRequest, conditions: Sequence[Any] = ()) -> list[Model | Damaged]:
    """Read the rows of a page that meet the conditions, and one row more, from the greatest key down."""
    columns: Any = model
    query = _rows(model, conditions)
    if before := row_position(request):
        query = query.where(columns.key < before)
    return read_rows(query.order_by(columns.key.desc()).limit(page_size(request) + 1), model)


def find_rows(
    model: type[Model], request: ListRequest, conditions: Sequence[Any], words: Expression, exact: Any = None
) -> list[Model | Damaged]:
    """Read like `list_rows` the rows that also meet the condition `exact`, or if no row does, those with the words.

    The words are those of the model's column `words`: see `service_kit.full_text`.
    """
    if exact is not None and model.select().where(exact, *conditions).exists():
        return list_rows(model, request, [exact, *conditions])
    columns: Any = model
    database = model._meta.database
    wanted = match(database, words)
    found = rows_with_words(
        database, _rows(model, conditions), columns.key, columns.words, wanted, row_position(request)
    )
    return read_rows(found.limit(page_size(request) + 1), model)


def _rows(model: type[Model], conditions: Sequence[Any]) -> Any:
    return model.select().where(*conditions) if conditions else model.select()
