"""Items, branches, calendars, circulation rules and settings of the library; the number of free copies of each book.

The models here are frozen copies. No item is known yet, so the free copies are those that are not out.
"""

from __future__ import annotations

import peewee

FREE_COPIES = "CASE WHEN on_loan < total_copies THEN total_copies - on_loan ELSE 0 END"
CAN_BE_BORROWED = "(state = 1 AND free_copies > 0)"
LEFT_OUT = f"(state <> 3 AND NOT {CAN_BE_BORROWED})"

INDEXES = {
    "book_can_be_borrowed": f"(key) WHERE {CAN_BE_BORROWED}",
    "book_left_out": f"(key) WHERE {LEFT_OUT}",
    "book_left_out_by_publisher": f"(publisher_key, key) WHERE {LEFT_OUT}",
    "book_left_out_by_category": f"(category_key, key) WHERE {LEFT_OUT}",
}
"""The indexes of books whose condition has the number of free copies."""


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # a row of every book is written
    for index in INDEXES:
        db.execute_sql(f"DROP INDEX {index}")
    db.execute_sql("ALTER TABLE book ADD COLUMN free_copies INTEGER NOT NULL DEFAULT 0")
    db.execute_sql(f"UPDATE book SET free_copies = {FREE_COPIES}")
    for index, definition in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {index} ON book {definition}")
    db.execute_sql("ALTER TABLE sync_state ADD COLUMN policy_version TEXT NOT NULL DEFAULT ''")
    create_tables(db, ' COLLATE "C"' if is_postgresql else "")
    if is_postgresql:
        db.execute_sql("ANALYZE book")


def create_tables(db: peewee.Database, collation: str) -> None:
    class Item(peewee.Model):
        key = peewee.BigAutoField()
        id = peewee.CharField(36, unique=True)
        message = peewee.BlobField()
        book_id = peewee.CharField(36)
        barcode = peewee.CharField(40, constraints=[peewee.SQL(collation)])
        item_type = peewee.TextField()
        item_type_key = peewee.TextField(constraints=[peewee.SQL(collation)])
        branch = peewee.CharField(40)
        state = peewee.SmallIntegerField()
        place = peewee.SmallIntegerField(constraints=[peewee.Default("1")])
        revision = peewee.BigIntegerField()
        generation = peewee.BigIntegerField()

        class Meta:
            table_name = "item"
            indexes = ((("barcode",), False), (("book_id", "barcode", "key"), False))

    class Branch(peewee.Model):
        key = peewee.BigAutoField()
        id = peewee.CharField(40, unique=True)
        message = peewee.BlobField()
        revision = peewee.BigIntegerField()
        generation = peewee.BigIntegerField()

        class Meta:
            table_name = "branch"

    class Calendar(Branch):
        class Meta:
            table_name = "calendar"

    class CirculationRule(Branch):
        class Meta:
            table_name = "circulation_rule"

    class LibrarySettings(Branch):
        class Meta:
            table_name = "library_settings"

    models = [Item, Branch, Calendar, CirculationRule, LibrarySettings]
    with db.bind_ctx(models):
        db.create_tables(models)
