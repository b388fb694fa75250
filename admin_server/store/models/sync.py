"""What the sync needs: the epochs of the feed, and the frontend that this service is paired with."""

from __future__ import annotations

import peewee


class Epoch(peewee.Model):
    """A period that begins with a start of this service or with a replaced database: see `admin_server.sync.epochs`.

    Its revisions begin at `first_revision` and end before that of the next epoch.
    """

    number = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    first_revision = peewee.BigIntegerField()
    start_time = peewee.BigIntegerField()
    # Identifies the database in which the epoch began: see Store.witness.
    witness = peewee.TextField(default="", constraints=[peewee.Default("''")])

    class Meta:
        table_name = "epoch"


class Frontend(peewee.Model):
    """The one frontend that this service is paired with. There is no row before its first call."""

    one = peewee.IntegerField(primary_key=True, default=1)
    id = peewee.CharField(36)
    newest_revision = peewee.BigIntegerField(default=0)
    # SHA-256 in hexadecimal; empty until the frontend is paired.
    secret_hash = peewee.TextField(default="", constraints=[peewee.Default("''")])
    # The last start of the frontend whose rows were recorded; empty if it has not sent one.
    start_id = peewee.TextField(default="", constraints=[peewee.Default("''")])

    class Meta:
        table_name = "frontend"
