"""Revision numbers whose order is the order of the commits.

They come from one counter row that a transaction updates, and so holds, until it commits. A database sequence would
hand out numbers without waiting: a transaction that took 7 and commits after one that took 8 would be skipped by a
reader that has seen 8.
"""

from __future__ import annotations

import peewee

from service_kit.postgresql import Pool

GREATEST_REVISION = 2**45
"""The greatest revision that a store in use can have: a thousand changes a second for 1,100 years.

What has a greater one is damaged or made up, and is refused: a message, and a counter at the start of a service. It is
far below 2**63, so that nothing that is computed from a revision overflows on either engine.
"""

GREATEST_BELIEVED = GREATEST_REVISION // 2
"""The greatest revision up to which a counter is moved because another service says so.

It is a bound on the whole and not on the distance from what is known: with that a service that lies could move the
counter to its end step by step. What a store counts itself from here does not reach `GREATEST_REVISION`, so its rows
stay acceptable to the other side: also to a new one, and also after a restore of either side.
"""


def is_revision(value: object) -> bool:
    """Return whether a stored or received value can be the revision of a row."""
    return isinstance(value, int) and 1 <= value <= GREATEST_REVISION


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


def lock_revisions() -> None:
    """Let nobody else take a revision until the present transaction ends: what it reads from now on stays as it is."""
    take_revisions(0)


def head_revision() -> int:
    """The last revision that was taken and committed, or taken by this transaction."""
    head: int = Counter._meta.database.execute_sql("SELECT revision FROM counter WHERE id = 1").fetchall()[0][0]
    return head


def damaged(column: peewee.Field, *, least: int = 0) -> peewee.Expression:
    """Return the condition for rows in which this column of revisions or generations has a value that cannot be."""
    is_outside = (column < least) | (column > GREATEST_REVISION)
    if isinstance(column.model._meta.database, Pool):
        return is_outside
    return is_outside | (peewee.fn.TYPEOF(column) != "integer")


def newest_in(column: peewee.Field) -> int:
    """Return the greatest value of a column of revisions that can be one; 0 where there is none."""
    newest = column.model.select(peewee.fn.MAX(column)).where(~damaged(column)).scalar()
    return newest if isinstance(newest, int) else 0
