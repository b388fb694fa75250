"""Filters of lists of books, by several publishers and categories.

The columns `publisher_key` and `category_key` contain `service_kit.text.keys.text_key` of the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import peewee

from service_kit.statements import param
from service_kit.text.keys import NO_TEXT, text_key


class BookFilter(NamedTuple):
    """The keys of publishers and categories, or parameters for them; empty for a filter that is not set."""

    publishers: tuple[Any, ...] = ()
    categories: tuple[Any, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of publishers and of categories, by which statements are kept."""
        return len(self.publishers), len(self.categories)

    def params(self) -> dict[str, Any]:
        """Return the values of the parameters of a `parameterized` filter of this shape."""
        return {
            **{f"publisher{number}": key for number, key in enumerate(self.publishers)},
            **{f"category{number}": key for number, key in enumerate(self.categories)},
        }


def book_filter(publishers: Iterable[str], categories: Iterable[str]) -> BookFilter:
    """Return the filter for these values, without empty ones, as a form has that was not filled in."""
    return BookFilter(_keys(publishers), _keys(categories))


def parameterized(shape: tuple[int, int]) -> BookFilter:
    """Return a filter of this shape for a statement, with parameters in place of keys."""
    publishers, categories = shape
    return BookFilter(
        tuple(param(f"publisher{number}") for number in range(publishers)),
        tuple(param(f"category{number}") for number in range(categories)),
    )


def conditions(model: Any, fits: BookFilter) -> list[Any]:
    """Return the conditions of a filter: one of the publishers, and one of the categories."""
    return _one_of(model.publisher_key, fits.publishers) + _one_of(model.category_key, fits.categories)


def in_ranges(model: Any, query: Any, usable: Any, fits: BookFilter, after: Any, limit: Any) -> Any:
    """Narrow a query to the first `limit` books after the key `after` that match, in the order of the key.

    With several values it reads the beginning of a range of the index for each, and merges them. Without that, the
    engines would collect and sort all books that match.
    """
    if max(fits.shape) <= 1:
        return query.where(usable, model.key > after, *conditions(model, fits)).order_by(model.key).limit(limit)
    publishers, categories = fits.shape
    if publishers >= categories:
        column, keys, rest = model.publisher_key, fits.publishers, _one_of(model.category_key, fits.categories)
    else:
        column, keys, rest = model.category_key, fits.categories, _one_of(model.publisher_key, fits.publishers)
    ranges = []
    for number, key in enumerate(keys):
        books = model.select(model.key).where(usable, column == key, model.key > after, *rest)
        first = books.order_by(model.key).limit(limit).alias(f"range{number}")
        ranges.append(peewee.Select((first,), (first.c.key,)))
    merged: Any = ranges[0]
    for each in ranges[1:]:
        merged = merged.union_all(each)
    picked = merged.order_by(peewee.SQL("key")).limit(limit).alias("picked")
    return query.join(picked, on=(picked.c.key == model.key)).order_by(model.key)


def _one_of(column: Any, keys: tuple[Any, ...]) -> list[Any]:
    if not keys:
        return []
    return [column == keys[0] if len(keys) == 1 else column.in_(keys)]


def _keys(values: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct keys, filled up with keys of no text to a power of two, so that few statements are needed."""
    keys: Sequence[str] = [key for key in dict.fromkeys(map(text_key, values)) if key]
    if not keys:
        return ()
    padded = 1 << (len(keys) - 1).bit_length()
    return (*keys, *[NO_TEXT] * (padded - len(keys)))
