"""Tables for what runs on a schedule, and indexes for books with gaps and for the ISBNs of removed books.

The models here are frozen copies.
"""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField, BytewiseTextField


def up(migrator: object, db: peewee.Database) -> None:
    class SourceLease(peewee.Model):
        one = peewee.SmallIntegerField(primary_key=True)
        owner = peewee.CharField(36)
        beat = peewee.BigIntegerField()

        class Meta:
            table_name = "source_lease"

    class SourceJob(peewee.Model):
        name = BytewiseTextField(primary_key=True)
        next_time = peewee.BigIntegerField()
        failures = peewee.IntegerField()
        position = peewee.BigIntegerField()

        class Meta:
            table_name = "source_job"

    class SourceRun(peewee.Model):
        key = peewee.BigAutoField()
        id = peewee.CharField(36, constraints=[peewee.SQL("UNIQUE")])
        source = peewee.TextField()
        query = peewee.TextField()
        start_time = peewee.BigIntegerField()
        end_time = peewee.BigIntegerField(null=True)
        found = peewee.IntegerField()
        added = peewee.IntegerField()
        updated = peewee.IntegerField()
        already_there = peewee.IntegerField()
        refused = peewee.IntegerField()
        problem = peewee.TextField()

        class Meta:
            table_name = "source_run"

    SourceRun.add_index(SourceRun.source, SourceRun.key, name="source_run_by_source")
    SourceRun.add_index(SourceRun.key, where=peewee.SQL("end_time IS NULL"), name="source_run_not_ended")

    class AskedBook(peewee.Model):
        book = peewee.BigIntegerField()
        source = BytewiseCharField(50)
        ask_time = peewee.BigIntegerField()

        class Meta:
            table_name = "asked_book"
            primary_key = peewee.CompositeKey("book", "source")

    models = [SourceLease, SourceJob, SourceRun, AskedBook]
    with db.bind_ctx(models):
        db.create_tables(models)
    if isinstance(db, peewee.PostgresqlDatabase):
        db.execute_sql("SET LOCAL statement_timeout = 0")  # a million books take their time
    db.execute_sql(
        "CREATE INDEX book_with_gaps ON book (key) WHERE state <> 3 AND isbn <> '' "
        "AND (description = '' OR (cover_digest = '' AND cover_uri = ''))"
    )
    db.execute_sql("CREATE INDEX book_removed_isbn ON book (isbn) WHERE state = 3 AND isbn <> ''")
