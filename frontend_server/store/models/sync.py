"""The state of the sync, and the changes of the catalogue that could not be applied."""

from __future__ import annotations

from typing import Any

import peewee

from library_domain.pairing import Credentials
from service_kit.columns import ReplicaColumns
from service_kit.errors import RowUnreadable
from service_kit.ids import UUID, new_id
from service_kit.random_secrets import new_secret
from service_kit.revisions import take_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import readable

UNREADABLE_POSITION = "\0"
"""Replaces a cursor or receipt that cannot be read. The sync handles it as a damaged one: it resyncs."""

NOTHING_IS_SURE = -1
"""A `start_revision` that means: any row that the admin has recorded may be newer than this store, a restored copy."""


MOST_STARTS = 20
"""That are kept, as in the contract. Without the others the admin may take this store for another copy of itself: then
all rows are sent again."""


class PositionField(peewee.TextField):
    """A cursor or receipt. SQLite can store a value that is not a text; no admin has such a position."""

    def python_value(self, value: object) -> str:
        """Return a text as it is."""
        return value if isinstance(value, str) else UNREADABLE_POSITION


class SyncState(peewee.Model):
    """The one row with the progress of the sync."""

    one = peewee.IntegerField(primary_key=True)
    frontend_id = peewee.CharField(36)
    cursor = PositionField()  # the position up to which every change of the catalogue has been applied
    receipt = PositionField()  # the admin's last acknowledgement of users and loans
    generation = peewee.BigIntegerField()  # the number of full readings of the catalogue
    resyncing = peewee.BooleanField()  # whether the full reading of this generation is unfinished
    # The revision that the last start took, until the admin has shown that it recorded no revision after it.
    start_revision = peewee.BigIntegerField()
    # The starts, oldest first, with blanks between them: the last one that the admin has acknowledged, and all since.
    start_ids = peewee.TextField(default="", constraints=[peewee.Default("''")])
    # Of the database at that start: see Store.witness.
    witness = peewee.TextField(default="", constraints=[peewee.Default("''")])
    # Identifies this frontend to the admin. It must not get into a log or an error.
    secret = peewee.TextField(default="", constraints=[peewee.Default("''")])

    # Another one after each change of the policy: see frontend_server.circulation.current_policy.
    policy_version = peewee.TextField(default="", constraints=[peewee.Default("''")])

    class Meta:
        table_name = "sync_state"

    @property
    def starts(self) -> list[str]:
        """The ids of the starts, oldest first, without damaged ones."""
        return [start_id for start_id in str(self.start_ids).split() if UUID.fullmatch(start_id)]


READABLE_STATE = (
    *(SyncState.one, SyncState.frontend_id, SyncState.generation, SyncState.resyncing),
    *(SyncState.start_revision, SyncState.secret),
)
"""The columns of the state that are checked at each start of the service."""


class SetAside(ReplicaColumns):
    """The newest change of a row of the catalogue, if this store could not apply it. The sync tries it again."""

    key = peewee.BigAutoField()
    kind = peewee.CharField(20)  # of the row: "book", or the field number of an unknown kind
    id = peewee.CharField(100)  # the row's, in ASCII; a longer one is truncated
    reason = peewee.TextField()  # in ASCII, which every store can store
    change = peewee.BlobField()  # a serialized library.sync.v1.CatalogChange
    time = peewee.BigIntegerField()  # when this change was set aside

    class Meta:
        table_name = "set_aside"
        indexes = ((("kind", "id"), True),)


def ensure_frontend_id(store: Store) -> str:
    """Prepare the sync at a start of the service: create the `frontend_id` of a new store, and return it.

    A start takes a revision. If the admin has recorded a later one, this store is an older copy: the push checks that.
    """
    with store.writing():
        return _start(store)


def restart_in_replaced_database(store: Store) -> None:
    """Prepare the sync as at a start, unless another process has done so since the database was replaced."""
    with store.writing():
        state = lock_sync_state(store)
        if state is None or state.witness != store.witness:
            _start(store)
        _ensure_secret()  # a restored database may be from a version without secrets


def lock_sync_state(store: Store) -> SyncState | None:
    """Read the state of the sync and lock it until the transaction ends: the first lock of `LOCK_ORDER`.

    Returns None for a store that no service has started with.
    """
    return _read_sync_state(store.locking(SyncState.select()))


def sync_state() -> SyncState:
    """Read the state of the sync.

    Raises:
        RowUnreadable: Its row is missing or damaged. A start reports that, and `library doctor` repairs it.
    """
    state = _read_sync_state(SyncState.select())
    if state is None:
        raise RowUnreadable(kind="sync_state", id="1")
    return state


def _read_sync_state(query: Any) -> SyncState | None:
    """Read the state of the sync. Texts that cannot be decoded are left out: the sync replaces them."""
    with readable("sync_state", "1"):
        try:
            rows: list[SyncState] = list(query)
        except UnicodeDecodeError:
            rows = list(query.select(*READABLE_STATE))
            for row in rows:
                row.cursor = row.receipt = UNREADABLE_POSITION
                row.witness = row.start_ids = ""
    return rows[0] if rows else None


def _start(store: Store) -> str:
    SyncState.insert(
        one=1, frontend_id=new_id(), cursor="", receipt="", generation=1, resyncing=True, start_revision=0
    ).on_conflict_ignore().execute()
    # The insert does not lock a row that exists, and this row has to be locked before the counter.
    state = lock_sync_state(store)
    starts = state.starts if state else []
    starts = [*starts[:1], *starts[1:][2 - MOST_STARTS :], new_id()]
    SyncState.update(start_ids=" ".join(starts)).execute()
    # Keep the revision of an earlier start that the push has not checked: no row was pushed since, so it is the bound.
    SyncState.update(start_revision=take_revisions()).where(SyncState.start_revision == 0).execute()
    SyncState.update(witness=store.witness).execute()
    _ensure_secret()
    frontend_id: str = SyncState.select(SyncState.frontend_id).get().frontend_id
    return frontend_id


def _ensure_secret() -> None:
    """Create the secret of this frontend if it has none. Of several processes that start together, one creates it."""
    SyncState.update(secret=new_secret()).where(SyncState.secret == "").execute()


def own_credentials(store: Store) -> Credentials:
    """Return the credentials for calls to the admin. Raises `RowUnreadable` if the state of the sync is missing."""
    with store.reading():
        rows = tuples(SyncState.select(SyncState.frontend_id, SyncState.secret))
    if not rows:
        raise RowUnreadable(kind="sync_state", id="1")
    return Credentials(*rows[0])
