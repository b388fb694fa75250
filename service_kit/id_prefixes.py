"""Lists of the rows whose id, a UUID, has a prefix: a range of the unique index over the ids."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import peewee

from service_kit.errors import FieldInvalid

_DIGITS = 32
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, None))


class IdRange(NamedTuple):
    """The first and the last UUID with a prefix, in lower case.

    Both are as long as an id, with hyphens at the same places, so every collation compares them by their digits.
    """

    first: str
    last: str


class PrefixRequest(Protocol):
    """A request for a list, either of the rows that a query finds or of those whose id has a prefix."""

    query: str
    id_prefix: str


def id_range(prefix: str) -> IdRange:
    """Return the range of the ids that begin with `prefix`: hexadecimal digits in any case, hyphens anywhere."""
    digits = prefix.replace("-", "").lower()
    return IdRange(_with_hyphens(digits.ljust(_DIGITS, "0")), _with_hyphens(digits.ljust(_DIGITS, "f")))


def in_id_range(query: Any, model: Any, prefix: str, after: int) -> Any:
    """Narrow a query to the rows whose id begins with `prefix`, in the order of the ids.

    `after` is the `key` of the last row of the page before, or 0. The order is that of the index over the ids, so only
    the rows of the page are read.
    """
    ids = id_range(prefix)
    return query.where(model.id.between(*ids), model.id > id_at(model, after)).order_by(model.id)


def id_at(model: Any, key: int) -> str:
    """Return the id of the row with this key; "" for 0, which is before all rows."""
    query: peewee.ModelSelect = model.select(model.id).where(model.key == key)
    return (query.scalar() or "") if key else ""


def check_id_prefix(request: PrefixRequest) -> None:
    """Raise `FieldInvalid` for a request with both a query and a prefix."""
    if request.query and request.id_prefix:
        raise FieldInvalid(("id_prefix", "must not be set together with query"))


def _with_hyphens(digits: str) -> str:
    return "-".join(digits[begin:end] for begin, end in _GROUPS)
