"""One kind of rows that ListCatalogChanges lists: the table, the message, and what is sent of a damaged row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import peewee
from google.protobuf.message import Message

from service_kit.logs import logger
from service_kit.revisions import GREATEST_REVISION
from service_kit.statements import Statement, param
from service_kit.store import Store, is_unavailable

Row = tuple[Any, ...]

Page = TypeVar("Page", bound=Message)

log = logger(__name__)


class ListedRow(NamedTuple):
    """A row that changed."""

    revision: int
    kind: str
    message: Message


class ListedKind:
    """A kind of rows that the frontend replicates. Its table has a unique column `revision` and an `id`.

    Args:
        name: The field of `CatalogChange` that contains its message.
        columns: The columns that `message_of` needs.
        message_of: Makes the message of a row of these columns.
        salvaged: The columns that are read alone when a row is damaged, which need no conversion; the id first.
        salvage: Makes a message of their values, each of which may be of any type. The frontend sets the row aside, but
            knows by this message whether its older version of the row may still be used.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[peewee.Field],
        message_of: Callable[[Row], Message],
        salvaged: Sequence[peewee.Field],
        salvage: Callable[..., Message],
    ) -> None:
        self.name = name
        self._message_of, self._salvage = message_of, salvage
        self._salvaged_count = len(salvaged)
        model: Any = columns[0].model
        self._revision = model.revision
        self._changed = self._select(model.revision, *columns)
        self._salvaged = self._select(model.revision, *salvaged)
        self._revisions = self._select(model.revision)
        self._one = Statement(model.select(model.revision, *columns).where(model.revision == param("revision")))

    def _select(self, *columns: peewee.Field) -> Statement:
        return Statement(
            self._revision.model.select(*columns)
            .where(self._revision > param("after"), self._revision <= param("last"))
            .order_by(self._revision)
            .limit(param("limit"))
        )

    def revisions(self, after: int, limit: int) -> list[int]:
        """Return the first revisions after `after`, from the index alone."""
        return [revision for (revision,) in self._revisions.rows(after=after, last=GREATEST_REVISION, limit=limit)]

    def changed(self, store: Store, after: int, limit: int, last: int = GREATEST_REVISION) -> list[ListedRow]:
        """Read the rows that changed, in the order of their revisions; one by one if one of them cannot be read."""
        span = {"after": after, "last": last, "limit": limit}
        try:
            with store.database.atomic():
                return [self._listed(row) for row in self._changed.rows(**span)]
        except Exception as error:
            if is_unavailable(error):
                raise
        try:
            rows = self._salvaged.rows(**span)
        except UnicodeDecodeError:
            nothing = [None] * self._salvaged_count
            rows = [(revision, *nothing) for (revision,) in self._revisions.rows(**span)]
        return [self._read_alone(store, *row) for row in rows]

    def _listed(self, row: Row) -> ListedRow:
        return ListedRow(row[0], self.name, self._message_of(row[1:]))

    def _read_alone(self, store: Store, revision: int, *salvaged: Any) -> ListedRow:
        try:
            with store.database.atomic():
                [row] = self._one.rows(revision=revision)
                return self._listed(row)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.error("row cannot be read", kind=self.name, id=salvaged[0], revision=revision, error=str(error))
        return ListedRow(int(revision), self.name, self._salvage(*salvaged))


class ListedKinds(NamedTuple, Generic[Page]):
    """The kinds of rows that are listed, and the response that has a field for each."""

    page_type: type[Page]
    kinds: Sequence[ListedKind]

    def changed(self, store: Store, after: int, limit: int) -> list[ListedRow]:
        """Read the rows of all kinds that changed, at most `limit`, in the order of their revisions."""
        if len(self.kinds) == 1:
            return self.kinds[0].changed(store, after, limit)
        # The revisions first, so that no row is read that another kind's rows leave no room for.
        found = [(kind, kind.revisions(after, limit)) for kind in self.kinds]
        revisions = sorted(revision for _, some in found for revision in some)[:limit]
        if not revisions:
            return []
        last = revisions[-1]
        changed = [kind for kind, some in found if some and some[0] <= last]
        rows = [row for kind in changed for row in kind.changed(store, after, limit, last)]
        return sorted(rows, key=lambda row: row.revision)
