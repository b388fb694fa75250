"""Pages of search results: first rows with the whole words, then with beginnings of words, then with typing errors.

These are phases, each in the order of the key. A page token has the phase and the key of the last row, so later pages
cost the same as the first. No row is listed twice: each phase leaves out the rows of those before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import peewee

from service_kit.full_text import match
from service_kit.paging import ListRequest, page_size, position, row_position, token_refused
from service_kit.text.expressions import But, Expression, exact
from service_kit.vocabulary import guessed

Row = TypeVar("Row")
Find = Callable[[str, int, int], list[Any]]
"""Finds rows, by what `match` returned, the key after which they begin, and the number of rows at most."""

_EXACT, _PREFIX, _GUESS = 1, 2, 3
_PLACE = re.compile(r"([123])\.([0-9]{1,18})")


class Place(NamedTuple):
    """Where a row is in the list."""

    phase: int
    key: int

    def __str__(self) -> str:
        """Return the place as it is in a page token."""
        return f"{self.phase}.{self.key}"


class Hits(NamedTuple, Generic[Row]):
    """Up to `page_size + 1` rows of a search."""

    rows: list[tuple[int, Row]]
    """Each with its phase."""
    match: str
    """The search expression of all pages, as `match` returns it."""


def search(
    database: peewee.Database, request: ListRequest, wanted: Expression, find: Find, is_known: Callable[[str], bool]
) -> Hits[Any]:
    """Find up to `page_size + 1` rows. Raises `FieldInvalid` for a page token of another list.

    Args:
        database: The store's.
        request: The page's size and token.
        wanted: The expression of the query, with every word that may be a prefix.
        find: Finds the rows of one phase.
        is_known: Returns whether any row matches, without filters. Typing errors are guessed only where no row does.
    """
    phase, after = search_position(request)
    everything = match(database, wanted)
    if phase != _GUESS:
        rows = _found(database, phase, after, wanted, find, page_size(request) + 1)
        if rows or request.page_token or is_known(everything):
            return Hits(rows, everything)
    guess = guessed(wanted)
    if guess is None:
        return Hits([], everything)
    everything = match(database, guess)
    return Hits([(_GUESS, row) for row in find(everything, after, page_size(request) + 1)], everything)


def _found(
    database: peewee.Database, phase: int, after: int, wanted: Expression, find: Find, limit: int
) -> list[tuple[int, Any]]:
    whole_words = exact(wanted)
    rows: list[tuple[int, Any]] = []
    if phase == _EXACT:
        rows = [(_EXACT, row) for row in find(match(database, whole_words), after, limit)]
        after = 0
    if len(rows) < limit and wanted != whole_words:
        others = match(database, But(wanted, whole_words))
        rows += [(_PREFIX, row) for row in find(others, after, limit - len(rows))]
    return rows


def search_position(request: ListRequest) -> Place:
    """Return where the page begins. Raises `FieldInvalid` for a token of another list."""
    text = position(request)
    if not text:
        return Place(_EXACT, 0)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise token_refused()
    return Place(int(found.group(1)), int(found.group(2)))


class QueryRequest(ListRequest, Protocol):
    """A request for a list, of all rows or of those that a query finds."""

    query: str


def check_place(request: QueryRequest) -> None:
    """Raise `FieldInvalid` for a page token of another list."""
    if request.query:
        search_position(request)
    else:
        row_position(request)
