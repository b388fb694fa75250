"""Finds and repairs what keeps an admin from its start or from the sync: a damaged counter or revision.

The repair loses and doubles nothing. All epochs of before are forgotten, so no cursor and no receipt is valid any more:
the frontend reads the whole catalogue and sends every user and loan again.
"""

from __future__ import annotations

import peewee

from admin_server.epochs import begin_epoch
from admin_server.store.models import Book, Epoch, Frontend, Loan, User
from service_kit.clock import Clock
from service_kit.revisions import Counter, damaged, newest_in, take_revisions
from service_kit.store import Store

COLUMNS: tuple[tuple[peewee.Field, int], ...] = (
    (Counter.revision, 0),
    (Book.revision, 1),
    (User.revision, 0),
    (Loan.revision, 0),
    (Epoch.first_revision, 0),
    (Frontend.newest_revision, 0),
)
"""Columns of revisions, and the least value that each can have."""


def find_damage(store: Store) -> list[str]:
    """Return what is damaged, one sentence each."""
    found = []
    with store.reading():
        for column, least in COLUMNS:
            if count := column.model.select().where(damaged(column, least=least)).count():
                found.append(f"{column.model._meta.table_name}.{column.column_name} is damaged in {count} rows")
    return found


def repair(store: Store, clock: Clock) -> None:
    """Repair the store. No service may use it meanwhile."""
    with store.writing():
        store.lift_time_limit()
        Counter.update(
            revision=max(newest_in(column) for column in (Counter.revision, Book.revision, Epoch.first_revision))
        ).execute()
        for book in list(Book.select(Book.key).where(damaged(Book.revision, least=1))):
            Book.update(revision=take_revisions()).where(Book.key == book.key).execute()
        for model in (User, Loan):
            model.update(revision=0).where(damaged(model.revision)).execute()  # the next version replaces it
        newest = max(newest_in(User.revision), newest_in(Loan.revision))
        Frontend.update(newest_revision=newest).execute()
        Epoch.delete().execute()
    begin_epoch(store, clock)
