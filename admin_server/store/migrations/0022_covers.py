"""The pictures of covers, and in each book the first digits of the digest of its picture.

The model here is a frozen copy.
"""

from __future__ import annotations

import peewee


def up(migrator: object, db: peewee.Database) -> None:
    class Cover(peewee.Model):
        book = peewee.BigIntegerField(primary_key=True)
        content_type = peewee.TextField()
        picture = peewee.BlobField()
        digest = peewee.CharField(64)
        address = peewee.TextField()
        create_time = peewee.BigIntegerField()

        class Meta:
            table_name = "cover"

    with db.bind_ctx([Cover]):
        db.create_tables([Cover])
    db.execute_sql("ALTER TABLE book ADD COLUMN cover_digest VARCHAR(8) NOT NULL DEFAULT ''")
