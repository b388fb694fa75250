"""Imports as operations: their files, how far they are, and what was wrong with their records."""

from __future__ import annotations

import peewee

from library.admin.v1.import_service_pb2 import IMPORT_STATE_RUNNING, IMPORT_STATE_UNSPECIFIED

UPLOADING = IMPORT_STATE_UNSPECIFIED
"""The state of an operation whose upload is not complete. No list shows it."""

# With literals, not parameters: an engine uses a partial index only if the query contains its condition.
NOT_ENDED = peewee.SQL(f"state <= {IMPORT_STATE_RUNNING}")


class ImportOperation(peewee.Model):
    """The import of a file. Its id is also that of its run."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    config = peewee.BlobField()  # a serialized ImportConfig
    format = peewee.SmallIntegerField(default=0)  # as set or recognized
    state = peewee.SmallIntegerField(default=UPLOADING)
    problem = peewee.TextField(default="")
    error = peewee.BlobField(default=b"")  # a serialized google.rpc.Status; empty unless it failed or was cancelled
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    end_time = peewee.BigIntegerField(default=0)
    cancel_time = peewee.BigIntegerField(default=0)
    total_bytes = peewee.BigIntegerField(default=0)
    # The place from which reading goes on: see library_formats.records.Place.
    position = peewee.BigIntegerField(default=0)
    records = peewee.BigIntegerField(default=0)
    # What was done with these records.
    added = peewee.BigIntegerField(default=0)
    updated = peewee.BigIntegerField(default=0)
    copies_added = peewee.BigIntegerField(default=0)
    already_there = peewee.BigIntegerField(default=0)
    refused = peewee.BigIntegerField(default=0)
    items = peewee.BigIntegerField(default=0)
    problems = peewee.BigIntegerField(default=0)
    # The lease: see admin_server.operations.leases.
    worker = peewee.CharField(36, default="")
    beat = peewee.BigIntegerField(default=0)
    starts = peewee.IntegerField(default=0)  # without progress
    one_by_one_until = peewee.BigIntegerField(default=0)  # the last record that is imported in a batch of its own
    attempts = peewee.IntegerField(default=0)  # to import the next record, while they are imported one by one

    class Meta:
        table_name = "import_operation"


ImportOperation.add_index(ImportOperation.key, where=NOT_ENDED, name="import_operation_not_ended")


class ImportChunk(peewee.Model):
    """A part of an uploaded file. All parts of a file but the last have the same size."""

    operation = peewee.BigIntegerField()  # the key
    number = peewee.IntegerField()  # from 0
    content = peewee.BlobField()

    class Meta:
        table_name = "import_chunk"
        primary_key = peewee.CompositeKey("operation", "number")


class ImportProblem(peewee.Model):
    """What was wrong with a record of an operation."""

    operation = peewee.BigIntegerField()  # the key
    number = peewee.IntegerField()  # from 1
    record = peewee.BigIntegerField()
    control_number = peewee.TextField()
    field = peewee.TextField()
    description = peewee.TextField()
    imported = peewee.SmallIntegerField()

    class Meta:
        table_name = "import_problem"
        primary_key = peewee.CompositeKey("operation", "number")


class ImportPlan(peewee.Model):
    """A book or a barcode that an operation with `validate_only` would have added, as a digest."""

    operation = peewee.BigIntegerField()  # the key
    digest = peewee.BigIntegerField()

    class Meta:
        table_name = "import_plan"
        primary_key = peewee.CompositeKey("operation", "digest")
