"""Finds and repairs what keeps a frontend from its start or from its sync: a damaged counter, state or revision.

The repair loses and doubles nothing. Every user and loan becomes due again. Before they are sent, the push asks the
admin for the newest revision that it knows, and moves past it. The catalogue is read again in a new generation, which
replaces damaged revisions of books.
"""

from __future__ import annotations

import peewee

from frontend_server.store.models import NOTHING_IS_SURE, Book, Loan, SetAside, SyncState, User
from service_kit.revisions import Counter, damaged, newest_in
from service_kit.store import Store

COLUMNS: tuple[tuple[peewee.Field, int], ...] = (
    (Counter.revision, 0),
    (User.revision, 1),
    (User.pushed_revision, 0),
    (Loan.revision, 1),
    (Loan.pushed_revision, 0),
    (Book.revision, 0),
    (Book.generation, 0),
    (SetAside.revision, 0),
    (SetAside.generation, 0),
    (SyncState.generation, 1),
    (SyncState.start_revision, NOTHING_IS_SURE),
)
"""Columns of revisions and generations, and the least value that each can have."""


def find_damage(store: Store) -> list[str]:
    """Return what is damaged, one sentence each."""
    found = []
    with store.reading():
        for column, least in COLUMNS:
            if count := column.model.select().where(damaged(column, least=least)).count():
                found.append(f"{column.model._meta.table_name}.{column.column_name} is damaged in {count} rows")
    return found


def repair(store: Store) -> None:
    """Repair the store. No service may use it meanwhile."""
    with store.writing():
        store.lift_time_limit()
        beyond = max(newest_in(column) for column in (Counter.revision, User.revision, Loan.revision)) + 1
        generation = max(newest_in(column) for column in (SyncState.generation, Book.generation)) + 1
        for model in (Loan, User):
            model.update(revision=beyond).where(damaged(model.revision, least=1)).execute()
            model.update(pushed_revision=0, park_reason="").execute()
        for column in (Book.revision, Book.generation):
            Book.update({column: 0}).where(damaged(column)).execute()
        SetAside.delete().where(damaged(SetAside.revision) | damaged(SetAside.generation)).execute()
        Counter.update(revision=beyond).execute()
        SyncState.update(
            cursor="", receipt="", generation=generation, resyncing=True, start_revision=NOTHING_IS_SURE
        ).execute()
