"""Revision numbers whose order is the order of the commits.

They come from one counter row that a transaction updates, and so holds, until it commits. A database sequence would
hand out numbers without waiting: a transaction that took 7 and commits after one that took 8 would be skipped by a
reader that has seen 8.
"""

from __future__ import annotations

import peewee

from service_kit.postgresql import Pool


class Counter(peewee.Model):
    """The one row with the last revision that was taken."""

    id = peewee.IntegerField(primary_key=True)
    revision = peewee.BigIntegerField(default=0)

    class Meta:
        table_name = "counter"


def take_revisions(count: int = 1) -> int:
    """Take `count` revisions within the present transaction; give the first of them.

    Take them as late in the transaction as can be: others who change something wait from here on.
    """
    database = Counter._meta.database
    sql = f"UPDATE counter SET revision = revision + {database.param} WHERE id = 1 RETURNING revision"
    rows = database.execute_sql(sql, (count,)).fetchall()
    if not rows:
        raise peewee.OperationalError("the store has no counter; it may be being restored")
    last: int = rows[0][0]
    if isinstance(database, Pool):
        database.note_revisions(before=last - count, last=last)
    return last - count + 1


def hold_revisions() -> None:
    """Let nobody else take a revision until the present transaction ends: what it reads from now on stays as it is."""
    take_revisions(0)


def head_revision() -> int:
    """The last revision that was taken and committed, or taken by this transaction."""
    head: int = Counter._meta.database.execute_sql("SELECT revision FROM counter WHERE id = 1").fetchall()[0][0]
    return head
