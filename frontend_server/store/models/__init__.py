"""The frontend's tables, by area. Times are microseconds since 1970.

A user or loan whose `revision` is not its `pushed_revision` has yet to be pushed to the admin: the row is the outbox.
"""

from __future__ import annotations

from pathlib import Path

from frontend_server.store.models.books import CAN_BE_BORROWED, IN_CATALOGUE, LEFT_OUT, Book
from frontend_server.store.models.clock import ClockMark
from frontend_server.store.models.loans import Loan
from frontend_server.store.models.sync import (
    NO_POSITION,
    NOTHING_IS_SURE,
    READABLE_STATE,
    PositionField,
    SetAside,
    SyncState,
    doubt_replaced_database,
    introduce,
    lock_sync_state,
    own_credentials,
    sync_state,
)
from frontend_server.store.models.users import NOT_CLOSED, User
from library_domain.stores import store_schema
from service_kit.idempotency import AnsweredRequest
from service_kit.outbox import IS_DUE, IS_PARKED
from service_kit.revisions import Counter
from service_kit.store import Store
from service_kit.vocabulary import VocabularyWord

__all__ = [
    "CAN_BE_BORROWED",
    "GUARDED_TABLES",
    "IN_CATALOGUE",
    "IS_DUE",
    "IS_PARKED",
    "LEFT_OUT",
    "LOCK_ORDER",
    "MIGRATIONS",
    "MODELS",
    "NOTHING_IS_SURE",
    "NOT_CLOSED",
    "NO_POSITION",
    "READABLE_STATE",
    "SCHEMA",
    "WORD_INDEXES",
    "Book",
    "ClockMark",
    "Loan",
    "PositionField",
    "SetAside",
    "SyncState",
    "User",
    "bind",
    "doubt_replaced_database",
    "introduce",
    "lock_sync_state",
    "own_credentials",
    "sync_state",
]

MIGRATIONS = Path(__file__).parent.parent / "migrations"
SCHEMA = store_schema("frontend", MIGRATIONS)

LOCK_ORDER = ("sync_state", "loan", "book", "user_account", "counter", "request")
"""The order in which a transaction locks rows of these tables, so that no two transactions wait for each other.

The counter is held by every change until it commits, so it is taken as late as possible: after each statement that can
wait, such as one that writes a unique key. docs/locks.md has the reasons, tests/store/test_lock_order.py the proof.
"""

GUARDED_TABLES = {"set_aside": "sync_state", "vocabulary": "sync_state"}
"""Tables whose rows are written only while the row of the other table is locked, so they have no place in the order."""

MODELS = [Counter, Book, User, Loan, SyncState, SetAside, ClockMark, VocabularyWord, AnsweredRequest]

WORD_INDEXES = [Book.words, User.words]
"""The columns with an index by word: see `service_kit.full_text`."""


def bind(store: Store) -> None:
    """Let the models work on this store. A process has one."""
    store.database.bind(MODELS)
