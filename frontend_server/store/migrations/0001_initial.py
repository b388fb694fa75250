"""The tables of the first release. The models here are frozen copies, independent of today's."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    Database,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)

from service_kit.full_text import create_word_index


def up(migrator: object, db: Database) -> None:
    class Counter(Model):
        id = IntegerField(primary_key=True)
        revision = BigIntegerField()

        class Meta:
            table_name = "counter"

    class Book(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        message = BlobField()
        title = TextField()
        publisher = TextField()
        category = TextField()
        total_copies = IntegerField()
        state = SmallIntegerField()
        words = TextField()
        revision = BigIntegerField()
        generation = BigIntegerField()
        on_loan = IntegerField()

        class Meta:
            table_name = "book"
            indexes = (
                (("publisher", "key"), False),
                (("category", "key"), False),
                (("publisher", "category", "key"), False),
            )

    class User(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        email = TextField()
        first_name = TextField()
        last_name = TextField()
        state = SmallIntegerField()
        create_time = BigIntegerField()
        update_time = BigIntegerField()
        request_id = CharField(36, null=True, unique=True)
        request_digest = CharField(32)
        revision = BigIntegerField()
        pushed_revision = BigIntegerField()
        park_reason = TextField()
        email_key = TextField(unique=True)
        active_loan_count = IntegerField()

        class Meta:
            table_name = "user_account"

    class Loan(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        book_id = CharField(36)
        user_id = CharField(36)
        book_title = TextField()
        days = IntegerField()
        borrow_time = BigIntegerField()
        due_time = BigIntegerField()
        return_time = BigIntegerField(null=True)
        renewal_count = IntegerField()
        fine_currency = CharField(3)
        fine_nanos = BigIntegerField()
        request_id = CharField(36, null=True, unique=True)
        request_digest = CharField(32)
        revision = BigIntegerField()
        pushed_revision = BigIntegerField()
        park_reason = TextField()

        class Meta:
            table_name = "loan"
            indexes = (
                (("user_id", "key"), False),
                (("book_id", "key"), False),
            )

    class SyncState(Model):
        one = IntegerField(primary_key=True)
        frontend_id = CharField(36)
        cursor = TextField()
        receipt = TextField()
        generation = BigIntegerField()
        resyncing = BooleanField()
        start_revision = BigIntegerField()

        class Meta:
            table_name = "sync_state"

    models = [Counter, Book, User, Loan, SyncState]
    with db.bind_ctx(models):
        db.create_tables(models)
        Counter.create(id=1, revision=0)
    create_word_index(db, "book", "key", "words")
    due = "(revision <> pushed_revision AND park_reason = '')"
    for statement in (
        "CREATE INDEX book_can_be_borrowed ON book (key) WHERE (state = 1 AND on_loan < total_copies)",
        f"CREATE INDEX user_account_due ON user_account (revision) WHERE {due}",
        f"CREATE INDEX loan_due ON loan (revision) WHERE {due}",
        "CREATE INDEX user_account_parked ON user_account (key) WHERE park_reason <> ''",
        "CREATE INDEX loan_parked ON loan (key) WHERE park_reason <> ''",
        "CREATE INDEX loan_open ON loan (key) WHERE return_time IS NULL",
        "CREATE INDEX loan_returned ON loan (key) WHERE return_time IS NOT NULL",
        "CREATE INDEX loan_open_book ON loan (book_id, due_time) WHERE return_time IS NULL",
    ):
        db.execute_sql(statement)
