"""Numbers of a series, such as those of barcodes: each is taken once, in the transaction that uses it.

The last number that was taken is in the second row of the table `counter`, which the update locks until the transaction
ends. A database sequence would leave a gap after each transaction that is rolled back.
"""

from __future__ import annotations

import peewee

from service_kit.revisions import Counter, damaged

SERIES_ID = 2
"""The row of `counter` for the series. Row 1 has the revisions."""


def take_numbers(count: int) -> range:
    """Take `count` numbers within the present transaction.

    All transactions of a service that also take a revision take the two in the same order: see docs/locks.md.
    """
    database = Counter._meta.database
    sql = f"UPDATE counter SET revision = revision + {database.param} WHERE id = {SERIES_ID} RETURNING revision"
    rows = database.execute_sql(sql, (count,)).fetchall()
    if not rows:
        raise peewee.OperationalError("the store has no series of numbers; it may be being restored")
    last: int = rows[0][0]
    return range(last - count + 1, last + 1)


def series_problems() -> list[str]:
    """Return what is wrong with the last number of the series, a clause each."""
    is_right = Counter.select().where(Counter.id == SERIES_ID, ~damaged(Counter.revision)).exists()
    return [] if is_right else ["the series of numbers in counter is missing or damaged"]


def repair_series(used: int) -> None:
    """Begin the series again if its last number is lost: after `used`, how many of its numbers are in use.

    A greater number can be in use where there are gaps. It is skipped when it is taken.
    """
    if series_problems():
        Counter.delete().where(Counter.id == SERIES_ID).execute()
        Counter.insert(id=SERIES_ID, revision=used).execute()
