"""Filters of lists by columns with the keys of texts: by several columns, each by several texts.

Such a column has the `service_kit.text.keys.text_key` of a text. An index over it also has the key of the row, so the
rows of each text are read in the order of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import peewee

from service_kit.statements import param
from service_kit.text.keys import NO_TEXT, text_key

Shape = tuple[tuple[str, int], ...]
"""Each column of a filter, by name, and the number of keys that it is compared with."""


class KeyFilter(NamedTuple):
    """For each column, by name, the keys of the wanted texts or parameters for them. Without a key, every text fits."""

    columns: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def shape(self) -> Shape:
        """What the SQL text depends on."""
        return tuple((name, len(keys)) for name, keys in self.columns)

    def params(self) -> dict[str, Any]:
        """Return the values for the parameters of a `parameterized` filter of this shape."""
        return {f"{name}{number}": key for name, keys in self.columns for number, key in enumerate(keys)}


def key_filter(**texts: Iterable[str]) -> KeyFilter:
    """Return the filter for texts by column. Empty texts are ignored: a form that is not filled in has them."""
    return KeyFilter(tuple((name, _keys(values)) for name, values in texts.items()))


def parameterized(shape: Shape) -> KeyFilter:
    """Return a filter of this shape for a statement, with parameters instead of keys."""
    return KeyFilter(tuple((name, tuple(param(f"{name}{number}") for number in range(count))) for name, count in shape))


def conditions(model: Any, fits: KeyFilter) -> list[Any]:
    """Return the conditions of a filter: one for each column with keys."""
    return [_is_one_of(getattr(model, name), keys) for name, keys in fits.columns if keys]


def in_ranges(model: Any, query: Any, usable: Any, fits: KeyFilter, after: Any, limit: Any) -> Any:
    """Narrow a query to the first `limit` rows behind the key `after` that fit, in the order of the key.

    For several keys, the beginnings of their ranges of an index are merged: the engines would read and sort all rows
    that fit.
    """
    split = max(fits.columns, key=lambda column: len(column[1]))
    if len(split[1]) <= 1:
        return query.where(usable, model.key > after, *conditions(model, fits)).order_by(model.key).limit(limit)
    rest = conditions(model, KeyFilter(tuple(column for column in fits.columns if column is not split)))
    ranges = []
    for number, key in enumerate(split[1]):
        rows = model.select(model.key).where(usable, getattr(model, split[0]) == key, model.key > after, *rest)
        first = rows.order_by(model.key).limit(limit).alias(f"range{number}")
        ranges.append(peewee.Select((first,), (first.c.key,)))
    merged: Any = ranges[0]
    for each in ranges[1:]:
        merged = merged.union_all(each)
    picked = merged.order_by(peewee.SQL("key")).limit(limit).alias("picked")
    return query.join(picked, on=(picked.c.key == model.key)).order_by(model.key)


def _is_one_of(column: Any, keys: tuple[Any, ...]) -> Any:
    return column == keys[0] if len(keys) == 1 else column.in_(keys)


def _keys(values: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct keys, padded to a power of two with a key that no text has, so that there are few shapes."""
    keys: Sequence[str] = [key for key in dict.fromkeys(map(text_key, values)) if key]
    if not keys:
        return ()
    padded = 1 << (len(keys) - 1).bit_length()
    return (*keys, *[NO_TEXT] * (padded - len(keys)))
