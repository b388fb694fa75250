"""The tables of the first release. The models here are frozen copies, independent of today's."""

from peewee import (
    BigAutoField,
    BigIntegerField,
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
        title = TextField()
        authors = TextField()
        isbn = CharField(13)
        publisher = TextField()
        category = TextField()
        language = TextField()
        published_year = IntegerField()
        page_count = IntegerField()
        description = TextField()
        cover_uri = TextField()
        total_copies = IntegerField()
        state = SmallIntegerField()
        create_time = BigIntegerField()
        update_time = BigIntegerField()
        revision = BigIntegerField(unique=True)
        words = TextField()
        on_loan = IntegerField()
        request_id = CharField(36, null=True, unique=True)
        request_digest = CharField(32)

        class Meta:
            table_name = "book"
            indexes = (
                (("publisher", "key"), False),
                (("category", "key"), False),
                (("publisher", "category", "key"), False),
                (("state", "key"), False),
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
        revision = BigIntegerField()

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
        revision = BigIntegerField()

        class Meta:
            table_name = "loan"
            indexes = (
                (("user_id", "key"), False),
                (("book_id", "key"), False),
            )

    class Epoch(Model):
        number = BigAutoField()
        id = CharField(36, unique=True)
        first_revision = BigIntegerField()
        start_time = BigIntegerField()

        class Meta:
            table_name = "epoch"

    class Frontend(Model):
        one = IntegerField(primary_key=True)
        id = CharField(36)
        newest_revision = BigIntegerField()

        class Meta:
            table_name = "frontend"

    models = [Counter, Book, User, Loan, Epoch, Frontend]
    with db.bind_ctx(models):
        db.create_tables(models)
        Counter.create(id=1, revision=0)
    create_word_index(db, "book", "key", "words")
    for statement in (
        # An ISBN belongs to one book of the catalogue; that of a removed one can be used again.
        "CREATE UNIQUE INDEX book_isbn ON book (isbn) WHERE isbn <> '' AND state <> 3",
        "CREATE INDEX book_not_borrowable ON book (key) WHERE (state = 2 OR on_loan >= total_copies) AND state <> 3",
        "CREATE INDEX loan_open ON loan (key) WHERE return_time IS NULL",
        "CREATE INDEX loan_returned ON loan (key) WHERE return_time IS NOT NULL",
        "CREATE INDEX loan_open_user ON loan (user_id, key) WHERE return_time IS NULL",
        "CREATE INDEX loan_open_book ON loan (book_id, due_time) WHERE return_time IS NULL",
    ):
        db.execute_sql(statement)
