"""Revision numbers whose order is the order of the commits.

They are taken from one counter row, which the update locks until the transaction ends. A database sequence does not
wait: if the transaction that took 7 committed after the one that took 8, a reader that has seen 8 would miss 7.
"""

from __future__ import annotations

import peewee

from service_kit.postgresql import Pool

GREATEST_REVISION = 2**45
"""The greatest revision that a store in use can have: a thousand changes a second for 1,100 years.

A message with a greater one is refused, and so is a counter at the start of a service: it is damaged or made up. The
limit is far below 2**63, so that no computation with revisions overflows on either engine.
"""

GREATEST_BELIEVED = GREATEST_REVISION // 2
"""The greatest revision up to which a message of another service can move a counter.

The limit is absolute and not a distance from the present revision: with a distance, a faulty service could move the
counter to its end step by step. A store that counts on from here does not reach `GREATEST_REVISION`, so its rows are
accepted by the other side, also if that side is new, and after a restore of either side.
"""


def is_revision(value: object) -> bool:
    """Return whether a stored or received value can be the revision of a row."""
    return isinstance(value, int) and 1 <= value <= GREATEST_REVISION


class Counter(peewee.Model):
    """The last revision that was taken, in row 1. Row 2 has a series of numbers: see `service_kit.series`."""

    id = peewee.IntegerField(primary_key=True)
    revision = peewee.BigIntegerField(default=0)

    class Meta:
        table_name = "counter"


def take_revisions(count: int = 1) -> int:
    """Take `count` revisions within the present transaction; return the first of them.

    Take them as late in the transaction as possible: all other transactions that write wait from here on.
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
    """Lock the counter until the present transaction ends, so that no other transaction changes what this one reads."""
    take_revisions(0)


def head_revision() -> int:
    """Return the last revision that was committed, or taken by this transaction."""
    head: int = Counter._meta.database.execute_sql("SELECT revision FROM counter WHERE id = 1").fetchall()[0][0]
    return head


def damaged(column: peewee.Field, *, least: int = 0) -> peewee.Expression:
    """Return the condition for rows with an impossible value in this column of revisions or generations."""
    is_outside = (column < least) | (column > GREATEST_REVISION)
    if isinstance(column.model._meta.database, Pool):
        return is_outside
    return is_outside | (peewee.fn.TYPEOF(column) != "integer")


def newest_in(column: peewee.Field) -> int:
    """Return the greatest valid value of a column of revisions; 0 if there is none."""
    newest = column.model.select(peewee.fn.MAX(column)).where(~damaged(column)).scalar()
    return newest if isinstance(newest, int) else 0
