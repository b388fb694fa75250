"""Finds and repairs damage in an admin's store that stops its start or the sync, or makes its counts wrong.

The repair loses no row and doubles none. It deletes all epochs, so that no cursor and no receipt is valid any more: the
frontend reads the whole catalogue again, and sends every user and loan again. Open loans are counted again.
"""

from __future__ import annotations

import re
from uuid import UUID

import peewee

from admin_server.store.models import Book, Epoch, Frontend, Loan
from admin_server.sync.epochs import begin_epoch
from admin_server.sync.recorded_kinds import RECORDED_KINDS
from library_domain.pairing import is_frontend_id
from service_kit.clock import Clock
from service_kit.damage import (
    Rules,
    column_problems,
    correct_counts,
    count_problems,
    counter_problems,
    lag_problems,
    number_in,
    right_values,
    row_problems,
    stored_row,
    text_like,
)
from service_kit.doctor import Identity
from service_kit.revisions import Counter, damaged, newest_in, take_revisions
from service_kit.store import Store

COLUMNS: tuple[tuple[peewee.Field, int], ...] = (
    (Book.revision, 1),
    *((kind.model.revision, 0) for kind in RECORDED_KINDS),
    (Epoch.first_revision, 0),
)
"""Columns of revisions, and the least valid value of each."""

FRONTEND: Rules = {
    Frontend.id: text_like(is_frontend_id),
    Frontend.secret_hash: text_like(re.compile("(?:[0-9a-f]{64})?").fullmatch),
    Frontend.newest_revision: number_in(0),
}

COUNTS = {
    Book.on_loan: Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.book_id == Book.id, Loan.return_time.is_null())
}

NO_FRONTEND = str(UUID(int=0))
"""Replaces an id that is lost. No frontend has this one, so an operator has to accept a frontend."""


def find_start_damage(store: Store) -> list[str]:
    """Return the damage with which the service cannot start, a clause each. Read only a few rows."""
    found = [*counter_problems(store), *lag_problems((Book.revision, Epoch.first_revision))]
    return found + row_problems(store, Frontend.one, FRONTEND, may_be_missing=True)


def find_damage(store: Store) -> list[str]:
    """Return all damage, a clause each."""
    return [*find_start_damage(store), *column_problems(COLUMNS), *count_problems(COUNTS)]


def frontend_id(store: Store) -> str:
    """Return the id of the paired frontend; empty if it is damaged, or no frontend is paired."""
    return str(right_values(stored_row(store, Frontend.one, FRONTEND), FRONTEND).get("id", ""))


def repair(store: Store, clock: Clock) -> Identity:
    """Repair the store, in the caller's transaction. No service may use the store meanwhile."""
    store.lift_time_limit()
    newest = max(newest_in(column) for column in (Counter.revision, Book.revision, Epoch.first_revision))
    Counter.delete().where(Counter.id == 1).execute()
    Counter.insert(id=1, revision=newest).execute()
    for book in list(Book.select(Book.key).where(damaged(Book.revision, least=1))):
        Book.update(revision=take_revisions()).where(Book.key == book.key).execute()
    for kind in RECORDED_KINDS:
        kind.model.update(revision=0).where(damaged(kind.model.revision)).execute()  # the next version replaces it
    correct_counts(COUNTS)
    identity = _repair_frontend(store)
    Epoch.delete().execute()
    begin_epoch(store, clock)
    return identity


def _repair_frontend(store: Store) -> Identity:
    """Keep the pairing if it is valid, and set the newest revision from the rows that the frontend pushed."""
    row = stored_row(store, Frontend.one, FRONTEND)
    if row is None:
        return Identity("")
    kept = right_values(row, FRONTEND)
    paired_id = kept.get("id", NO_FRONTEND)
    secret_hash = kept.get("secret_hash", "") if "id" in kept else ""
    newest = max(kept.get("newest_revision", 0), *(newest_in(kind.model.revision) for kind in RECORDED_KINDS))
    Frontend.delete().execute()
    Frontend.insert(one=1, id=paired_id, secret_hash=secret_hash, newest_revision=newest).execute()
    return Identity(paired_id, "" if "id" in kept else "id")
