"""Tables for other catalogues: their pace, their answers, and which of their books are here.

The models here are frozen copies.
"""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField


def up(migrator: object, db: peewee.Database) -> None:
    class ExternalSource(peewee.Model):
        name = BytewiseCharField(100, primary_key=True)
        settings = peewee.CharField(64)
        next_request_time = peewee.BigIntegerField()
        failures = peewee.IntegerField()
        pause_end_time = peewee.BigIntegerField()
        problem = peewee.TextField()

        class Meta:
            table_name = "external_source"

    class ExternalAnswer(peewee.Model):
        key = peewee.BigAutoField()
        source = peewee.CharField(100)
        request = peewee.CharField(64)
        body = peewee.BlobField()
        fetch_time = peewee.BigIntegerField()

        class Meta:
            table_name = "external_answer"

    ExternalAnswer.add_index(ExternalAnswer.source, ExternalAnswer.request, unique=True, name="external_answer_request")
    ExternalAnswer.add_index(ExternalAnswer.fetch_time, name="external_answer_by_time")

    class ExternalBook(peewee.Model):
        source = peewee.CharField(50)
        external_id = BytewiseCharField(100)
        book_id = peewee.CharField(36)

        class Meta:
            table_name = "external_book"
            primary_key = peewee.CompositeKey("source", "external_id")

    models = [ExternalSource, ExternalAnswer, ExternalBook]
    with db.bind_ctx(models):
        db.create_tables(models)
