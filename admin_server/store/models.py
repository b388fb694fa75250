"""The admin's tables. Times are microseconds since 1970; `revision` is what the frontend's cursor counts."""

from __future__ import annotations

from pathlib import Path

import peewee

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library_domain.loans import LoanColumns
from library_domain.stores import store_schema
from library_domain.users import UserColumns
from service_kit.idempotency import AnsweredRequest
from service_kit.revisions import Counter
from service_kit.store import Store
from service_kit.vocabulary import VocabularyWord

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = store_schema("admin", MIGRATIONS)


class Book(peewee.Model):
    """A book, kept for ever: a removed one is a tombstone that the frontend has yet to hear of."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    title = peewee.TextField()
    authors = peewee.TextField()  # a JSON array
    isbn = peewee.CharField(13)
    publisher = peewee.TextField()
    category = peewee.TextField()
    language = peewee.TextField()
    published_year = peewee.IntegerField()
    page_count = peewee.IntegerField()
    description = peewee.TextField()
    cover_uri = peewee.TextField()
    total_copies = peewee.IntegerField()
    state = peewee.SmallIntegerField(default=BOOK_STATE_ACTIVE)
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    revision = peewee.BigIntegerField(unique=True)
    words = peewee.TextField()  # what the word index holds: see library_domain.search
    publisher_key = peewee.TextField(default="")  # what it is filtered and sorted by: see service_kit.text.keys
    category_key = peewee.TextField(default="")
    title_key = peewee.BigIntegerField(default=0)  # of title and first author: see library_domain.titles
    on_loan = peewee.IntegerField(default=0)  # open loans that the frontend has told of

    class Meta:
        table_name = "book"


# Written with literals, as the partial indexes are: an engine uses one only where it can see that it applies.
IN_CATALOGUE = peewee.SQL(f"state <> {BOOK_STATE_REMOVED}")
HAS_ISBN = peewee.SQL("isbn <> ''")  # without it, SQLite does not use the index of ISBNs for several at a time
NOT_BORROWABLE = peewee.SQL(f"(state = {BOOK_STATE_UNAVAILABLE} OR on_loan >= total_copies)")


class User(UserColumns):
    """A user, as the frontend told of it in its version `revision`."""

    revision = peewee.BigIntegerField()

    class Meta:
        table_name = "user_account"


class Loan(LoanColumns):
    """A loan, as the frontend told of it in its version `revision`. Its book or user may not be known here."""

    revision = peewee.BigIntegerField()

    class Meta:
        table_name = "loan"


class Epoch(peewee.Model):
    """A start of this service, or a change of its database under it: see `admin_server.sync.epochs`.

    Its revisions are those from `first_revision` to the next epoch's.
    """

    number = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    first_revision = peewee.BigIntegerField()
    start_time = peewee.BigIntegerField()
    witness = peewee.TextField(default="")  # of the database in which it began: see Store.witness

    class Meta:
        table_name = "epoch"


class Frontend(peewee.Model):
    """The one frontend that this service is paired with; no row before its first call."""

    one = peewee.IntegerField(primary_key=True, default=1)
    id = peewee.CharField(36)
    newest_revision = peewee.BigIntegerField(default=0)
    secret_hash = peewee.TextField(default="")  # SHA-256 in hexadecimal; empty until the frontend is paired

    class Meta:
        table_name = "frontend"


class ImportRun(peewee.Model):
    """What ImportBooks did under one run id."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    source = peewee.TextField()
    on_duplicate = peewee.SmallIntegerField()
    match_title = peewee.SmallIntegerField()
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    undo_time = peewee.BigIntegerField(null=True)
    added = peewee.IntegerField(default=0)  # rows, by their result
    updated = peewee.IntegerField(default=0)
    copies_added = peewee.IntegerField(default=0)
    already_there = peewee.IntegerField(default=0)

    class Meta:
        table_name = "import_run"


class ImportRow(peewee.Model):
    """A row of a run that was not refused: it is never applied again."""

    run = peewee.BigIntegerField()
    line = peewee.IntegerField()
    digest = peewee.BigIntegerField()  # of its values
    result = peewee.SmallIntegerField()
    book_id = peewee.CharField(36)

    class Meta:
        table_name = "import_row"
        primary_key = peewee.CompositeKey("run", "line")


class ImportBook(peewee.Model):
    """A book that a run added or changed, and how to take that back."""

    run = peewee.BigIntegerField()
    book_id = peewee.CharField(36)
    is_added = peewee.SmallIntegerField()
    before = peewee.TextField()  # a JSON object: the values of before the run of all columns that the run changed
    etag = peewee.TextField()  # of the book after the run; empty when others changed it while the run went on
    is_undone = peewee.SmallIntegerField(default=0)

    class Meta:
        table_name = "import_book"
        primary_key = peewee.CompositeKey("run", "book_id")


LOCK_ORDER = ("frontend", "import_run", "book", "counter", "request")
"""The order in which a transaction locks rows of these tables, so that no two transactions wait for each other.

docs/locks.md has the reasons, tests/store/test_lock_order.py the proof.
"""

GUARDED_TABLES = {
    "user_account": "frontend",
    "loan": "frontend",
    "epoch": "counter",
    "vocabulary": "counter",
    "import_row": "import_run",
    "import_book": "import_run",
}
"""Tables whose rows are written only while the row of the other table is locked, so they have no place in the order.

New books and ISBNs are written only with the counter locked, too, so no insert of a book waits for another one.
"""

MODELS = [
    Counter,
    Book,
    User,
    Loan,
    Epoch,
    Frontend,
    ImportRun,
    ImportRow,
    ImportBook,
    VocabularyWord,
    AnsweredRequest,
]


def bind(store: Store) -> None:
    """Let the models work on this store. A process has one."""
    store.database.bind(MODELS)
