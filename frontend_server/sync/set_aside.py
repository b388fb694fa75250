"""Rows of the catalogue that this store cannot apply: kept with the reason, so that they do not stop the others.

A row may be unfit for this store only: its title is outside the database's encoding, a constraint or trigger refuses
it, a newer admin sent a state that this program does not know.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import peewee
from peewee import EXCLUDED

from frontend_server.store.models import SetAside
from library.sync.v1.sync_service_pb2 import BookChange
from service_kit.logs import logger
from service_kit.store import Store, is_unavailable

BOOK = "book"
ID_LENGTH = 100
REASON_LENGTH = 500
IDS_AT_A_TIME = 500

_STATEMENT = re.compile(r"^error executing query: \[.*\] ", re.DOTALL)
"""What cysqlite puts before SQLite's own message."""

log = logger(__name__)


class Unfit(ValueError):
    """A change of which no row of this store can be made. The message is the reason."""


class Refused(NamedTuple):
    """A change that could not be applied."""

    change: BookChange
    reason: str


class Trials:
    """Parts of one transaction that may fail without failing the whole; each is tried in a savepoint.

    A failure may end the transaction all the same: a trigger on SQLite can roll it back. Then run the transaction again
    with the same trials: a part that has failed once is not tried a second time.
    """

    def __init__(self, store: Store) -> None:
        """Begin without a failure."""
        self._store = store
        self.reasons: dict[str, str] = {}
        """Why each failed part failed, by its name."""

    def run(self, name: str, part: Callable[[], object]) -> bool:
        """Run a part and return whether it succeeded. Raises what does not blame the row, such as a lost connection."""
        if name in self.reasons:
            return False
        failure: Exception | None = None
        try:
            with self._store.database.atomic():
                try:
                    part()
                    if self._store.is_postgresql:  # checks now what else is checked at the commit, for all at once
                        self._store.database.execute_sql("SET CONSTRAINTS ALL IMMEDIATE")
                except Exception as error:  # every kind: whatever a row does, the other rows are applied
                    failure = error
                    if blames_the_row(error):
                        self.reasons[name] = reason_of(error)
                    raise
        except Exception as error:
            if error is not failure or name not in self.reasons or self._store.has_lost_transaction():
                raise
        return failure is None


def blames_the_row(error: Exception) -> bool:
    """Return whether the same statement with other values might have succeeded."""
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    if sqlstate.startswith("54"):  # a value too large for an index, say; psycopg calls that an OperationalError
        return True
    if sqlstate.startswith("25"):  # the transaction: it is read-only after a switchover, or was ended from outside
        return False
    return not is_unavailable(error)


def reason_of(error: Exception) -> str:
    """Describe an error in one line of ASCII. Only its first line: PostgreSQL names values of other rows below it."""
    if isinstance(error, Unfit):
        return plain(str(error))[:REASON_LENGTH]
    cause = getattr(error, "orig", None) or error
    lines = _STATEMENT.sub("", str(cause)).strip().splitlines()
    return plain(f"{type(cause).__name__}: {lines[0] if lines else 'no message'}")[:REASON_LENGTH]


def plain(text: str) -> str:
    """Escape what is not printable ASCII, which some stores cannot keep."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isascii() and char.isprintable() else _escaped(char) for char in text)


def row_id(raw: str) -> str:
    """Return the id under which a row is set aside: its own, but in ASCII, and cut when it is long."""
    if len(raw) <= ID_LENGTH and raw.isascii() and raw.isprintable():
        return raw
    digest = hashlib.sha256(raw.encode()).hexdigest()[:16]  # two long ids may begin alike
    return f"{plain(raw)[: ID_LENGTH - len(digest) - 1]}~{digest}"


def set_aside(refused: Collection[Refused], generation: int, now: int) -> None:
    """Keep the changes, each in the place of an older one of the same row. Call it in the page's transaction."""
    for change, reason in refused:
        SetAside.insert(
            kind=BOOK,
            id=row_id(change.book.id),
            revision=change.revision,
            generation=generation,
            reason=reason,
            change=change.SerializeToString(),
            time=now,
        ).on_conflict(
            conflict_target=[SetAside.kind, SetAside.id],
            update={
                field: getattr(EXCLUDED, field.name)
                for field in (
                    SetAside.revision,
                    SetAside.generation,
                    SetAside.reason,
                    SetAside.change,
                    SetAside.time,
                )
            },
        ).execute()


def log_refused(refused: Collection[Refused]) -> None:
    """Log each change that was set aside, after the commit that set it aside."""
    for change, reason in refused:
        log.error("row set aside", kind=BOOK, id=row_id(change.book.id), revision=change.revision, reason=reason)


def forget_applied(ids: Collection[str]) -> None:
    """Forget what was set aside of these rows, of which a newer version has been applied."""
    if not SetAside.select().exists():
        return
    for some in _batches(ids):
        SetAside.delete().where(SetAside.kind == BOOK, SetAside.id.in_(some)).execute()


def forget_unseen(generation: int) -> None:
    """Forget the rows that a full reading of the catalogue, which ends here, has not seen: they are gone."""
    SetAside.delete().where(SetAside.generation < generation).execute()


def seen_in(generation: int) -> peewee.ModelSelect[SetAside]:
    """Select the ids of the books that this full reading of the catalogue saw and could not apply."""
    return SetAside.select(SetAside.id).where(SetAside.kind == BOOK, SetAside.generation == generation)


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while some := list(itertools.islice(rest, IDS_AT_A_TIME)):
        yield some


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
