"""The mark of the newest time in the store, set from its rows. The model here is a frozen copy."""

from peewee import BigIntegerField, Database, IntegerField, Model

from library.v1.book_pb2 import Book

ROWS = 1_000


def up(migrator: object, db: Database) -> None:
    class ClockMark(Model):
        one = IntegerField(primary_key=True)
        newest_time = BigIntegerField()
        ignored_until = BigIntegerField()

        class Meta:
            table_name = "clock_mark"

    with db.bind_ctx([ClockMark]):
        db.create_tables([ClockMark])
        newest_time = max(_newest_in_own_rows(db), _newest_in_books(db))
        ClockMark.create(one=1, newest_time=newest_time, ignored_until=0)


def _newest_in_own_rows(db: Database) -> int:
    newest = 0
    for columns, table in (("borrow_time", "return_time"), "loan"), (("create_time", "update_time"), "user_account"):
        for column in columns:
            ((time,),) = db.execute_sql(f"SELECT MAX({column}) FROM {table}").fetchall()
            newest = max(newest, time or 0)
    return newest


def _newest_in_books(db: Database) -> int:
    newest = last_key = 0
    while True:
        sql = f"SELECT key, message FROM book WHERE key > {last_key} ORDER BY key LIMIT {ROWS}"
        rows = db.execute_sql(sql).fetchall()
        if not rows:
            return newest
        for last_key, message in rows:  # noqa: B007 - the last one is where the next rows begin
            book = Book.FromString(bytes(message))
            newest = max(newest, book.create_time.ToMicroseconds(), book.update_time.ToMicroseconds())
