"""What runs on a schedule. Times are microseconds since 1970."""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField, BytewiseTextField


class SourceLease(peewee.Model):
    """Which process runs the jobs. All other tables here are written only while its row is locked."""

    one = peewee.SmallIntegerField(primary_key=True)
    owner = peewee.CharField(36)  # empty while no job runs
    beat = peewee.BigIntegerField()  # counts up while the owner is alive

    class Meta:
        table_name = "source_lease"


class SourceJob(peewee.Model):
    """A job of the schedule, and when it is due."""

    name = BytewiseTextField(primary_key=True)  # SOURCE:QUERY
    next_time = peewee.BigIntegerField()
    failures = peewee.IntegerField()  # in a row; the next run without one sets it to 0
    position = peewee.BigIntegerField()  # of a query: results that are done; of gaps: the key of the last book

    class Meta:
        table_name = "source_job"


class SourceRun(peewee.Model):
    """A run of a job, and what it brought. It is also an import run."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, constraints=[peewee.SQL("UNIQUE")])
    source = peewee.TextField()
    query = peewee.TextField()
    start_time = peewee.BigIntegerField()
    end_time = peewee.BigIntegerField(null=True)
    found = peewee.IntegerField(default=0)
    added = peewee.IntegerField(default=0)
    updated = peewee.IntegerField(default=0)
    already_there = peewee.IntegerField(default=0)
    refused = peewee.IntegerField(default=0)
    problem = peewee.TextField(default="")

    class Meta:
        table_name = "source_run"


RUN_NOT_ENDED = peewee.SQL("end_time IS NULL")
SourceRun.add_index(SourceRun.source, SourceRun.key, name="source_run_by_source")
SourceRun.add_index(SourceRun.key, where=RUN_NOT_ENDED, name="source_run_not_ended")


class AskedBook(peewee.Model):
    """A book with gaps that a source was asked about. It is not asked again soon."""

    book = peewee.BigIntegerField()  # the book's key
    source = BytewiseCharField(50)
    ask_time = peewee.BigIntegerField()

    class Meta:
        table_name = "asked_book"
        primary_key = peewee.CompositeKey("book", "source")
