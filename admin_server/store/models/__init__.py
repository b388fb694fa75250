"""The admin's tables, by area. Times are microseconds since 1970; the frontend's cursor counts in `revision`."""

from __future__ import annotations

from pathlib import Path

from admin_server.store.models.access import IS_VALID_TOKEN, ApiToken, AuditEntry, AuditObject, SigningKey, StaffRole
from admin_server.store.models.books import HAS_GAPS, HAS_ISBN, IN_CATALOGUE, IS_REMOVED, NOT_BORROWABLE, Book, Cover
from admin_server.store.models.history import HistoryEntry
from admin_server.store.models.imports import ImportBook, ImportRow, ImportRun
from admin_server.store.models.items import HAS_SHELF, HAS_TYPE, NOT_IN_SERVICE, NOT_WITHDRAWN, Item
from admin_server.store.models.jobs import RUN_NOT_ENDED, AskedBook, SourceJob, SourceLease, SourceRun
from admin_server.store.models.loans import Loan
from admin_server.store.models.operations import (
    NOT_ENDED,
    UPLOADING,
    ImportChunk,
    ImportOperation,
    ImportPlan,
    ImportProblem,
)
from admin_server.store.models.policy import IS_RULE, Branch, Calendar, CirculationRule, LibrarySettings
from admin_server.store.models.sources import ExternalAnswer, ExternalBook, ExternalSource
from admin_server.store.models.sync import Epoch, Frontend
from admin_server.store.models.users import NOT_CLOSED, User
from library_domain.stores import store_schema
from service_kit.idempotency import AnsweredRequest
from service_kit.revisions import Counter
from service_kit.store import Store
from service_kit.vocabulary import VocabularyWord

__all__ = [
    "GUARDED_TABLES",
    "HAS_GAPS",
    "HAS_ISBN",
    "HAS_SHELF",
    "HAS_TYPE",
    "IN_CATALOGUE",
    "IS_REMOVED",
    "IS_RULE",
    "IS_VALID_TOKEN",
    "LOCK_ORDER",
    "MIGRATIONS",
    "MODELS",
    "NOT_BORROWABLE",
    "NOT_CLOSED",
    "NOT_ENDED",
    "NOT_IN_SERVICE",
    "NOT_WITHDRAWN",
    "RUN_NOT_ENDED",
    "SCHEMA",
    "UPLOADING",
    "WORD_INDEXES",
    "ApiToken",
    "AskedBook",
    "AuditEntry",
    "AuditObject",
    "Book",
    "Branch",
    "Calendar",
    "CirculationRule",
    "Cover",
    "Epoch",
    "ExternalAnswer",
    "ExternalBook",
    "ExternalSource",
    "Frontend",
    "HistoryEntry",
    "ImportBook",
    "ImportChunk",
    "ImportOperation",
    "ImportPlan",
    "ImportProblem",
    "ImportRow",
    "ImportRun",
    "Item",
    "LibrarySettings",
    "Loan",
    "SigningKey",
    "SourceJob",
    "SourceLease",
    "SourceRun",
    "StaffRole",
    "User",
    "bind",
]

MIGRATIONS = Path(__file__).parent.parent / "migrations"
SCHEMA = store_schema("admin", MIGRATIONS)

LOCK_ORDER = (
    "import_operation",
    "frontend",
    "audit_entry",
    "audit_object",
    "source_lease",
    "import_run",
    "book",
    "counter",
    "series",
    "request",
)
"""The order in which a transaction locks rows of these tables, so that no two transactions wait for each other.

The reasons are in docs/locks.md; tests/store/test_lock_order.py checks the order.
"""

GUARDED_TABLES = {
    "item": "book",
    "cover": "book",
    "user_account": "frontend",
    "loan": "frontend",
    "history": "frontend",
    "branch": "counter",
    "calendar": "counter",
    "circulation_rule": "counter",
    "library_settings": "counter",
    "staff_role": "counter",
    "api_token": "counter",
    "signing_key": "frontend",
    "epoch": "counter",
    "vocabulary": "counter",
    "source_job": "source_lease",
    "source_run": "source_lease",
    "asked_book": "source_lease",
    "import_row": "import_run",
    "import_book": "import_run",
    "external_book": "counter",
    "import_chunk": "import_operation",
    "import_problem": "import_operation",
    "import_plan": "import_operation",
}
"""Tables without a place in the order: a row of them is written only while the row of the other table is locked.

A new book or ISBN is also written only while the counter is locked, so no insert of a book waits for another one. The
same is true of a new item or barcode. Items of a book are written only while its row is locked.
"""

MODELS = [
    Counter,
    Book,
    Cover,
    Item,
    User,
    Loan,
    HistoryEntry,
    Branch,
    Calendar,
    CirculationRule,
    LibrarySettings,
    StaffRole,
    ApiToken,
    SigningKey,
    AuditEntry,
    AuditObject,
    Epoch,
    Frontend,
    ImportRun,
    ImportRow,
    ImportBook,
    ExternalSource,
    ExternalAnswer,
    ExternalBook,
    SourceLease,
    SourceJob,
    SourceRun,
    AskedBook,
    ImportOperation,
    ImportChunk,
    ImportProblem,
    ImportPlan,
    VocabularyWord,
    AnsweredRequest,
]

WORD_INDEXES = [Book.words, User.words]
"""The columns with an index by word: see `service_kit.full_text`."""


def bind(store: Store) -> None:
    """Connect the models to this store. A process has one store."""
    store.database.bind(MODELS)
