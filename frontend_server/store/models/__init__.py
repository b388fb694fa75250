"""The frontend's tables, by area. Times are microseconds since 1970.

A user or loan whose `revision` is not its `pushed_revision` has yet to be pushed to the admin: the row is the outbox.
"""

from __future__ import annotations

from pathlib import Path

from frontend_server.store.models.access import (
    ApiToken,
    AuditEntry,
    CallerColumns,
    Credential,
    Session,
    SigningKey,
    SignInTally,
    StaffRole,
)
from frontend_server.store.models.books import CAN_BE_BORROWED, IN_CATALOGUE, LEFT_OUT, Book
from frontend_server.store.models.clock import ClockMark
from frontend_server.store.models.history import HistoryEntry
from frontend_server.store.models.items import FREE_COPIES, HAS_ITEMS, IS_FREE, Item
from frontend_server.store.models.loans import IS_OPEN_OF_ITEM, Loan
from frontend_server.store.models.policy import Branch, Calendar, CirculationRule, LibrarySettings, PolicyColumns
from frontend_server.store.models.sync import (
    MOST_STARTS,
    NOTHING_IS_SURE,
    SetAside,
    SyncState,
    ensure_frontend_id,
    lock_sync_state,
    own_credentials,
    restart_in_replaced_database,
    sync_state,
)
from frontend_server.store.models.users import HAS_OWN_EMAIL, NOT_CLOSED, User
from library_domain.stores import store_schema
from service_kit.idempotency import AnsweredRequest
from service_kit.outbox import IS_DUE, IS_PARKED
from service_kit.revisions import Counter
from service_kit.store import Store
from service_kit.vocabulary import VocabularyWord

__all__ = [
    "CAN_BE_BORROWED",
    "FREE_COPIES",
    "GUARDED_TABLES",
    "HAS_ITEMS",
    "HAS_OWN_EMAIL",
    "IN_CATALOGUE",
    "IS_DUE",
    "IS_FREE",
    "IS_OPEN_OF_ITEM",
    "IS_PARKED",
    "LEFT_OUT",
    "LOCK_ORDER",
    "MIGRATIONS",
    "MODELS",
    "MOST_STARTS",
    "NOTHING_IS_SURE",
    "NOT_CLOSED",
    "SCHEMA",
    "WORD_INDEXES",
    "ApiToken",
    "AuditEntry",
    "Book",
    "Branch",
    "Calendar",
    "CallerColumns",
    "CirculationRule",
    "ClockMark",
    "Credential",
    "HistoryEntry",
    "Item",
    "LibrarySettings",
    "Loan",
    "PolicyColumns",
    "Session",
    "SetAside",
    "SignInTally",
    "SigningKey",
    "StaffRole",
    "SyncState",
    "User",
    "bind",
    "ensure_frontend_id",
    "lock_sync_state",
    "own_credentials",
    "restart_in_replaced_database",
    "sync_state",
]

MIGRATIONS = Path(__file__).parent.parent / "migrations"
SCHEMA = store_schema("frontend", MIGRATIONS)

LOCK_ORDER = (
    *("sync_state", "audit_entry", "history", "loan", "book", "series", "user_account"),
    *("credential", "session", "sign_in_tally", "signing_key", "counter", "request"),
)
"""The order in which a transaction locks rows of these tables, so that no two transactions wait for each other.

Every change locks the counter until it commits. So it is locked as late as possible, after each statement that can
wait, such as one that writes a unique key. `series` is the row of the table `counter` with the last card number.
docs/locks.md has the reasons, tests/store/test_lock_order.py the check.
"""

GUARDED_TABLES = {
    "set_aside": "sync_state",
    "vocabulary": "sync_state",
    "item": "book",
    "branch": "sync_state",
    "calendar": "sync_state",
    "circulation_rule": "sync_state",
    "library_settings": "sync_state",
    "staff_role": "sync_state",
    "api_token": "sync_state",
}
"""Tables without a place in the order: a row of them is written only while the row of the other table is locked."""

MODELS = [
    *(Counter, Book, Item, User, Loan, HistoryEntry),
    *(Branch, Calendar, CirculationRule, LibrarySettings),
    *(Credential, Session, SignInTally, SigningKey, AuditEntry, StaffRole, ApiToken),
    *(SyncState, SetAside, ClockMark, VocabularyWord, AnsweredRequest),
]

WORD_INDEXES = [Book.words, User.words]
"""The columns with an index by word: see `service_kit.full_text`."""


def bind(store: Store) -> None:
    """Connect the models to this store. A process has one store."""
    store.database.bind(MODELS)
