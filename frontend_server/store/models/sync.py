"""How far the sync has come, and what it could not apply."""

from __future__ import annotations

from typing import Any

import peewee

from library_domain.pairing import Credentials, new_secret
from service_kit.columns import ReplicaColumns
from service_kit.errors import RowUnreadable
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import readable

NO_POSITION = "\0"
"""In the place of a cursor or receipt that cannot be read. The sync takes it for a damaged one, and resyncs."""

NOTHING_IS_SURE = -1
"""As a `start_revision`: whatever the admin has recorded may be of a past that this store lacks."""


class PositionField(peewee.TextField):
    """A cursor or receipt. What is stored but not a text, as SQLite allows, is not a position of any admin."""

    def python_value(self, value: object) -> str:
        """Return a text as it is."""
        return value if isinstance(value, str) else NO_POSITION


class SyncState(peewee.Model):
    """The one row that says how far the sync has come."""

    one = peewee.IntegerField(primary_key=True)
    frontend_id = peewee.CharField(36)
    cursor = PositionField()  # all up to here has been applied
    receipt = PositionField()  # the admin's last for users and loans
    generation = peewee.BigIntegerField()  # counts the full readings of the catalogue
    resyncing = peewee.BooleanField()  # whether the full reading of this generation has yet to end
    start_revision = peewee.BigIntegerField()  # of the last start, until the admin is known to know nothing beyond it
    # Of the database at that start: see Store.witness.
    witness = peewee.TextField(default="", constraints=[peewee.Default("''")])
    # By which the admin identifies this frontend. It must not get into a log or an error.
    secret = peewee.TextField(default="", constraints=[peewee.Default("''")])

    class Meta:
        table_name = "sync_state"


READABLE_STATE = (
    *(SyncState.one, SyncState.frontend_id, SyncState.generation, SyncState.resyncing),
    *(SyncState.start_revision, SyncState.secret),
)
"""The columns of the state that a start of the service has checked."""


class SetAside(ReplicaColumns):
    """The newest change of a row of the catalogue that this store could not apply. The sync tries it again."""

    key = peewee.BigAutoField()
    kind = peewee.CharField(20)  # of the row: "book"
    id = peewee.CharField(100)  # the row's, in ASCII; one that is longer is cut
    reason = peewee.TextField()  # in ASCII, so that any store can keep it
    change = peewee.BlobField()  # a serialized library.sync.v1.BookChange
    time = peewee.BigIntegerField()  # when this version of the row was set aside

    class Meta:
        table_name = "set_aside"
        indexes = ((("kind", "id"), True),)


def introduce(store: Store) -> str:
    """Begin at a start of the service: give the store a name, the `frontend_id`, if it has none yet, and return it.

    A start takes a revision, by which the push can tell whether this store is an old copy.
    """
    with store.writing():
        return _begin_life(store)


def doubt_replaced_database(store: Store) -> None:
    """Do as at a start, unless another process of this store has done so since the database was replaced."""
    with store.writing():
        state = lock_sync_state(store)
        if state is None or state.witness != store.witness:
            _begin_life(store)
        _ensure_secret()  # the database may have been restored to one of before there were secrets


def lock_sync_state(store: Store) -> SyncState | None:
    """Read the state of the sync and lock it until the transaction ends: the first lock of `LOCK_ORDER`.

    Returns None in a store that has not been started yet.
    """
    return _read_sync_state(store.locking(SyncState.select()))


def sync_state() -> SyncState:
    """Read the state of the sync.

    Raises:
        RowUnreadable: Its row is missing or damaged, which only a start or `library doctor` looks into.
    """
    state = _read_sync_state(SyncState.select())
    if state is None:
        raise RowUnreadable(kind="sync_state", id="1")
    return state


def _read_sync_state(query: Any) -> SyncState | None:
    """Read the state of the sync, also one whose texts cannot be decoded: the sync replaces the cursor and receipt."""
    with readable("sync_state", "1"):
        try:
            rows: list[SyncState] = list(query)
        except UnicodeDecodeError:
            rows = list(query.select(*READABLE_STATE))
            for row in rows:
                row.cursor = row.receipt = NO_POSITION
                row.witness = ""
    return rows[0] if rows else None


def _begin_life(store: Store) -> str:
    SyncState.insert(
        one=1, frontend_id=new_id(), cursor="", receipt="", generation=1, resyncing=True, start_revision=0
    ).on_conflict_ignore().execute()
    # The insert locks nothing where there is a row, and the counter comes after this row in the order of locks.
    lock_sync_state(store)
    # A start not proved yet keeps its revision: nothing was pushed since, so the earliest is the one to prove.
    SyncState.update(start_revision=take_revisions()).where(SyncState.start_revision == 0).execute()
    SyncState.update(witness=store.witness).execute()
    _ensure_secret()
    frontend_id: str = SyncState.select(SyncState.frontend_id).get().frontend_id
    return frontend_id


def _ensure_secret() -> None:
    """Make the secret of this frontend if it has none. Of several processes that start together one makes it."""
    SyncState.update(secret=new_secret()).where(SyncState.secret == "").execute()


def own_credentials(store: Store) -> Credentials:
    """Return what a call to the admin is to prove who makes it by."""
    with store.reading():
        rows = tuples(SyncState.select(SyncState.frontend_id, SyncState.secret))
    if not rows:
        raise RowUnreadable(kind="sync_state", id="1")
    return Credentials(*rows[0])
