"""One table for the answers to calls with a request id, in place of columns in `book`.

Request ids that are in use are carried over, each with an answer made from its row, so that a call from before the
upgrade can still be sent again. The models here are frozen copies, independent of today's.
"""

import json
import time
from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp
from peewee import BigIntegerField, BlobField, CharField, Database, IntegerField, Model, SmallIntegerField, TextField

from library.v1 import book_pb2

CHUNK_ROWS = 500
COPIED_FIELDS = (
    "id",
    "title",
    "isbn",
    "publisher",
    "category",
    "language",
    "published_year",
    "page_count",
    "description",
    "cover_uri",
    "total_copies",
)


class Request(Model):
    request_id = CharField(36, primary_key=True)
    method = TextField()
    digest = CharField(32)
    answer = BlobField()
    create_time = BigIntegerField(index=True)

    class Meta:
        table_name = "request"


class Book(Model):
    key = BigIntegerField(primary_key=True)
    id = CharField(36)
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
    revision = BigIntegerField()
    on_loan = IntegerField()
    request_id = CharField(36, null=True)
    request_digest = CharField(32)

    class Meta:
        table_name = "book"


def up(migrator: object, db: Database) -> None:
    now = time.time_ns() // 1_000
    with db.bind_ctx([Request, Book]):
        db.create_tables([Request])
        for rows in _rows_with_request_id():
            Request.insert_many(
                [
                    {
                        "request_id": row.request_id,
                        "method": "library.admin.v1.AddBook",
                        "digest": row.request_digest,
                        "answer": _book(row),
                        # Kept for as long as if they had been answered now, so that none expires in the upgrade.
                        "create_time": now,
                    }
                    for row in rows
                ]
            ).execute()
    db.execute_sql("DROP INDEX book_request_id")
    db.execute_sql("ALTER TABLE book DROP COLUMN request_id")
    db.execute_sql("ALTER TABLE book DROP COLUMN request_digest")


def _rows_with_request_id() -> Iterator[list[Book]]:
    key = 0
    has_id = Book.request_id.is_null(False)
    while rows := list(Book.select().where(has_id, Book.key > key).order_by(Book.key).limit(CHUNK_ROWS)):
        yield rows
        key = rows[-1].key


def _book(row: Book) -> bytes:
    book = book_pb2.Book(
        **{name: getattr(row, name) for name in COPIED_FIELDS},
        authors=json.loads(row.authors),
        state=book_pb2.BookState.ValueType(row.state),
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
        etag=f"{row.revision:x}-{row.update_time:x}",
    )
    if row.state == book_pb2.BOOK_STATE_ACTIVE:
        book.available_copies = max(0, row.total_copies - row.on_loan)
    return book.SerializeToString()


def _timestamp(micros: int) -> Timestamp:
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)
