"""The frontend's tables. Times are microseconds since 1970.

A user or loan whose `revision` is not its `pushed_revision` has yet to be told to the admin: the row is the outbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peewee

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED
from library_domain.loans import LoanColumns
from library_domain.pairing import Credentials, new_secret
from library_domain.stores import store_schema
from library_domain.users import UserColumns
from service_kit.errors import RowUnreadable
from service_kit.idempotency import AnsweredRequest
from service_kit.ids import new_id
from service_kit.revisions import Counter, take_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import readable
from service_kit.vocabulary import VocabularyWord

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = store_schema("frontend", MIGRATIONS)


class Book(peewee.Model):
    """The replica of a book: the admin's message as it came, and what is filtered by or decided on beside it.

    `on_loan` is the frontend's own; only the sync writes the rest. A book that left the catalogue stays, as removed.
    """

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()  # a serialized library.v1.Book
    title = peewee.TextField()
    publisher = peewee.TextField()
    category = peewee.TextField()
    total_copies = peewee.IntegerField()
    state = peewee.SmallIntegerField()
    words = peewee.TextField()  # what the word index holds: see library_domain.search
    publisher_key = peewee.TextField(default="")  # what it is filtered and sorted by: see service_kit.text.keys
    category_key = peewee.TextField(default="")
    revision = peewee.BigIntegerField()  # the admin's
    generation = peewee.BigIntegerField()  # of the last full reading of the catalogue that saw it
    on_loan = peewee.IntegerField(default=0)

    class Meta:
        table_name = "book"


# Written with literals, as the partial indexes are: an engine uses one only where it can see that it applies.
CAN_BE_BORROWED = peewee.SQL(f"(state = {BOOK_STATE_ACTIVE} AND on_loan < total_copies)")
IN_CATALOGUE = peewee.SQL(f"state <> {BOOK_STATE_REMOVED}")
LEFT_OUT = peewee.SQL(
    f"(state <> {BOOK_STATE_REMOVED} AND NOT (state = {BOOK_STATE_ACTIVE} AND on_loan < total_copies))"
)


NO_POSITION = "\0"
"""In the place of a cursor or receipt that cannot be read. The sync takes it for a damaged one, and resyncs."""


class PushedColumns(peewee.Model):
    """What the push needs to know of a row."""

    revision = peewee.BigIntegerField()  # the frontend's own counter
    pushed_revision = peewee.BigIntegerField(default=0)
    park_reason = peewee.TextField(default="")  # why the admin refused this revision


class User(UserColumns, PushedColumns):
    """A user. `active_loan_count` is not told to the admin, which counts the loans that it is told of."""

    active_loan_count = peewee.IntegerField(default=0)

    class Meta:
        table_name = "user_account"


class Loan(LoanColumns, PushedColumns):
    """A loan."""

    class Meta:
        table_name = "loan"


# Also literal for their partial indexes.
IS_DUE = peewee.SQL("(revision <> pushed_revision AND park_reason = '')")
IS_PARKED = peewee.SQL("park_reason <> ''")


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
    witness = peewee.TextField(default="")  # of the database at that start: see Store.witness
    secret = peewee.TextField(default="")  # by which the admin knows this frontend: never in a log or an error

    class Meta:
        table_name = "sync_state"


READABLE_STATE = (
    *(SyncState.one, SyncState.frontend_id, SyncState.generation, SyncState.resyncing),
    *(SyncState.start_revision, SyncState.secret),
)
"""The columns of the state that a start of the service has checked."""


class SetAside(peewee.Model):
    """The newest change of a row of the catalogue that this store could not apply. The sync tries it again."""

    key = peewee.BigAutoField()
    kind = peewee.CharField(20)  # of the row: "book", or the field number of an unknown kind
    id = peewee.CharField(100)  # the row's, in ASCII; one that is longer is cut
    revision = peewee.BigIntegerField()  # the admin's
    generation = peewee.BigIntegerField()  # of the full reading of the catalogue that saw it
    reason = peewee.TextField()  # in ASCII, so that any store can keep it
    change = peewee.BlobField()  # a serialized library.sync.v1.CatalogChange
    time = peewee.BigIntegerField()  # when this version of the row was set aside

    class Meta:
        table_name = "set_aside"
        indexes = ((("kind", "id"), True),)


class ClockMark(peewee.Model):
    """The one row with the newest time that is known to have passed: see `frontend_server.watched_clock`."""

    one = peewee.IntegerField(primary_key=True)
    newest_time = peewee.BigIntegerField()  # to the minute; 0 while the store is empty
    ignored_until = peewee.BigIntegerField()  # times up to here are wrong where they are ahead of the clock

    class Meta:
        table_name = "clock_mark"


LOCK_ORDER = ("sync_state", "loan", "book", "user_account", "counter", "request")
"""The order in which a transaction locks rows of these tables, so that no two transactions wait for each other.

The counter is held by every change until it commits, so it is taken as late as possible: after each statement that can
wait, such as one that writes a unique key. docs/locks.md has the reasons, tests/store/test_lock_order.py the proof.
"""

GUARDED_TABLES = {"set_aside": "sync_state", "vocabulary": "sync_state"}
"""Tables whose rows are written only while the row of the other table is locked, so they have no place in the order."""

NOTHING_IS_SURE = -1
"""As a `start_revision`: whatever the admin has recorded may be of a past that this store lacks."""

MODELS = [Counter, Book, User, Loan, SyncState, SetAside, ClockMark, VocabularyWord, AnsweredRequest]


def bind(store: Store) -> None:
    """Let the models work on this store. A process has one."""
    store.database.bind(MODELS)


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
