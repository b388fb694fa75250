"""One table for the answers to calls with a request id, in place of columns in `loan` and `user_account`.

Request ids that are in use are carried over, each with an answer made from its row, so that a call from before the
upgrade can still be sent again. The models here are frozen copies, independent of today's.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from peewee import BigIntegerField, BlobField, CharField, Database, IntegerField, Model, SmallIntegerField, TextField

from library.v1 import loan_pb2, user_pb2

CHUNK_ROWS = 500
NANOS = 1_000_000_000


class Request(Model):
    request_id = CharField(36, primary_key=True)
    method = TextField()
    digest = CharField(32)
    answer = BlobField()
    create_time = BigIntegerField(index=True)

    class Meta:
        table_name = "request"


class Requested(Model):
    key = BigIntegerField(primary_key=True)
    request_id = CharField(36, null=True)
    request_digest = CharField(32)


class User(Requested):
    id = CharField(36)
    email = TextField()
    first_name = TextField()
    last_name = TextField()
    state = SmallIntegerField()
    create_time = BigIntegerField()
    update_time = BigIntegerField()
    active_loan_count = IntegerField()

    class Meta:
        table_name = "user_account"


class Loan(Requested):
    id = CharField(36)
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

    class Meta:
        table_name = "loan"


Row = TypeVar("Row", User, Loan)


def up(migrator: object, db: Database) -> None:
    now = time.time_ns() // 1_000
    models = [Request, User, Loan]
    with db.bind_ctx(models):
        db.create_tables([Request])
        # Loans first: an id could be used once for a loan and once for a user, and to lend twice does more harm.
        for loans in _rows_with_request_id(Loan):
            _insert(loans, "library.frontend.v1.BorrowBook", [_loan(row, now) for row in loans], now)
        for users in _rows_with_request_id(User):
            _insert(users, "library.frontend.v1.EnrollUser", [_user(row) for row in users], now)
    for table, index in (("loan", "loan_request_id"), ("user_account", "user_request_id")):
        db.execute_sql(f"DROP INDEX {index}")
        db.execute_sql(f"ALTER TABLE {table} DROP COLUMN request_id")
        db.execute_sql(f"ALTER TABLE {table} DROP COLUMN request_digest")


def _rows_with_request_id(model: type[Row]) -> Iterator[list[Row]]:
    key = 0
    has_id = model.request_id.is_null(False)
    while rows := list(model.select().where(has_id, model.key > key).order_by(model.key).limit(CHUNK_ROWS)):
        yield rows
        key = rows[-1].key


def _insert(rows: Sequence[Requested], method: str, answers: Sequence[bytes], now: int) -> None:
    # Kept for as long as if they had been answered now, so that none expires in the upgrade.
    values = [
        (row.request_id, method, row.request_digest, answer, now) for row, answer in zip(rows, answers, strict=True)
    ]
    fields = [Request.request_id, Request.method, Request.digest, Request.answer, Request.create_time]
    Request.insert_many(values, fields=fields).on_conflict_ignore().execute()


def _loan(row: Loan, now: int) -> bytes:
    state = loan_pb2.LOAN_STATE_OVERDUE if row.due_time < now else loan_pb2.LOAN_STATE_ACTIVE
    loan = loan_pb2.Loan(
        id=row.id,
        book_id=row.book_id,
        user_id=row.user_id,
        book_title=row.book_title,
        days=row.days,
        borrow_time=_timestamp(row.borrow_time),
        due_time=_timestamp(row.due_time),
        state=loan_pb2.LOAN_STATE_RETURNED if row.return_time is not None else state,
        renewal_count=row.renewal_count,
    )
    if row.return_time is not None:
        loan.return_time.CopyFrom(_timestamp(row.return_time))
    if row.fine_nanos:
        units, nanos = divmod(row.fine_nanos, NANOS)
        loan.fine.CopyFrom(Money(currency_code=row.fine_currency, units=units, nanos=nanos))
    return loan.SerializeToString()


def _user(row: User) -> bytes:
    return user_pb2.User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        state=user_pb2.UserState.ValueType(row.state),
        active_loan_count=row.active_loan_count,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
    ).SerializeToString()


def _timestamp(micros: int) -> Timestamp:
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)
