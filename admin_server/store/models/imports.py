"""The runs of ImportBooks: what each row did, and how to undo a run."""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField


class ImportRun(peewee.Model):
    """What ImportBooks did under one run id."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, constraints=[peewee.SQL("UNIQUE")])
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
    """A row of a run that was not refused. It is never applied again."""

    run = peewee.BigIntegerField()
    line = peewee.IntegerField()
    digest = peewee.BigIntegerField()  # of the row's values
    result = peewee.SmallIntegerField()
    book_id = peewee.CharField(36)

    class Meta:
        table_name = "import_row"
        primary_key = peewee.CompositeKey("run", "line")


class ImportBook(peewee.Model):
    """A book that a run added or changed, and how to undo that."""

    run = peewee.BigIntegerField()
    book_id = BytewiseCharField(36)
    is_added = peewee.SmallIntegerField()
    before = peewee.TextField()  # a JSON object: the columns that the run changed, with their values before it
    etag = peewee.TextField()  # of the book after the run; empty if another call changed the book during the run
    is_undone = peewee.SmallIntegerField(default=0)

    class Meta:
        table_name = "import_book"
        primary_key = peewee.CompositeKey("run", "book_id")
