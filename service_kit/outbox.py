"""The outbox: columns of a table whose rows are sent to another service.

The row is the message. A change of the row takes a new revision; once the other service has stored that revision,
`pushed_revision` is set to it. So a row is due while the two differ, and no table of events is needed.
"""

from __future__ import annotations

import peewee

# With literals, not parameters: an engine uses a partial index only if the query contains its condition.
IS_DUE = peewee.SQL("(revision <> pushed_revision AND park_reason = '')")
IS_PARKED = peewee.SQL("park_reason <> ''")


class OutboxColumns(peewee.Model):
    """Makes a model with the primary key `key` an outbox. Its table gets an index of due and one of parked rows."""

    revision = peewee.BigIntegerField()  # of this store's counter: see service_kit.revisions
    pushed_revision = peewee.BigIntegerField(default=0)
    park_reason = peewee.TextField(default="")  # why the other service refused this revision

    class Meta:
        primary_key = False

    @classmethod
    def validate_model(cls) -> None:
        """Add the indexes. peewee calls this when the class is complete; an index belongs to one model."""
        super().validate_model()
        key = cls._meta.fields.get("key")
        if key is not None:
            table = cls._meta.table_name
            cls.add_index(cls.revision, where=IS_DUE, name=f"{table}_due")
            cls.add_index(key, where=IS_PARKED, name=f"{table}_parked")
