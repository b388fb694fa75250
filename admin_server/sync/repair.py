"""Finds and repairs damage in an admin's store that stops its start or the sync, or makes its counts wrong.

The repair loses no row and doubles none. It deletes all epochs, so that no cursor and no receipt is valid any more: the
frontend reads the whole catalogue again, and sends every user and loan again. Open loans are counted again.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import peewee

from admin_server.inventory.copies import KEPT_TOTAL, LENDABLE
from admin_server.inventory.on_loan import IS_ON_LOAN
from admin_server.store.models import (
    ApiToken,
    Book,
    Branch,
    Calendar,
    CirculationRule,
    Epoch,
    Frontend,
    Item,
    LibrarySettings,
    Loan,
    StaffRole,
)
from admin_server.sync.epochs import begin_epoch
from admin_server.sync.recorded_kinds import RECORDED_KINDS
from library_domain.barcodes import LAST_IN_SERIES, item_barcode
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
from service_kit.series import repair_series, series_problems
from service_kit.statements import tuples
from service_kit.store import Store

LISTED: tuple[tuple[Any, int], ...] = (
    (Book, 1),
    (Item, 1),
    (Branch, 0),
    (Calendar, 0),
    (CirculationRule, 0),
    (LibrarySettings, 0),
    (StaffRole, 1),
    (ApiToken, 1),
)
"""The models whose rows are in the feed, and the least valid revision of each: 0 for rows that are not in it yet."""

COLUMNS: tuple[tuple[peewee.Field, int], ...] = (
    *((model.revision, least) for model, least in LISTED),
    *((kind.model.revision, 0) for kind in RECORDED_KINDS),
    (Epoch.first_revision, 0),
)
"""Columns of revisions, and the least valid value of each."""

FRONTEND: Rules = {
    Frontend.id: text_like(is_frontend_id),
    Frontend.secret_hash: text_like(re.compile("(?:[0-9a-f]{64})?").fullmatch),
    Frontend.newest_revision: number_in(0),
}

LOANS_COUNTED = {
    Book.on_loan: Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.book_id == Book.id, Loan.return_time.is_null()),
    Item.on_loan: IS_ON_LOAN,
}
ITEMS_COUNTED = {Book.total_copies: KEPT_TOTAL, Book.lendable_copies: LENDABLE}
"""Columns that count other rows, each with the query for the right value. Items are counted by their loans."""

NO_FRONTEND = str(UUID(int=0))
"""Replaces an id that is lost. No frontend has this one, so an operator has to accept a frontend."""


def find_start_damage(store: Store) -> list[str]:
    """Return the damage with which the service cannot start, a clause each. Read only a few rows."""
    found = [*counter_problems(store), *lag_problems(_counted_revisions())]
    return found + row_problems(store, Frontend.one, FRONTEND, may_be_missing=True)


def find_damage(store: Store) -> list[str]:
    """Return all damage, a clause each."""
    found = [*find_start_damage(store), *series_problems(), *column_problems(COLUMNS)]
    return [*found, *count_problems(LOANS_COUNTED), *count_problems(ITEMS_COUNTED, "items")]


def frontend_id(store: Store) -> str:
    """Return the id of the paired frontend; empty if it is damaged, or no frontend is paired."""
    return str(right_values(stored_row(store, Frontend.one, FRONTEND), FRONTEND).get("id", ""))


def repair(store: Store, clock: Clock) -> Identity:
    """Repair the store, in the caller's transaction. No service may use the store meanwhile."""
    store.lift_time_limit()
    newest = max(newest_in(column) for column in (Counter.revision, *_counted_revisions()))
    Counter.delete().where(Counter.id == 1).execute()
    Counter.insert(id=1, revision=newest).execute()
    of_series = Item.barcode.between(item_barcode(1), item_barcode(LAST_IN_SERIES))
    repair_series(used=Item.select().where(of_series).count())
    for model, least in LISTED:
        for (key,) in tuples(model.select(model.key).where(damaged(model.revision, least=least))):
            model.update(revision=take_revisions()).where(model.key == key).execute()
    for kind in RECORDED_KINDS:
        kind.model.update(revision=0).where(damaged(kind.model.revision)).execute()  # the next version replaces it
    correct_counts(LOANS_COUNTED)
    correct_counts(ITEMS_COUNTED)
    identity = _repair_frontend(store)
    Epoch.delete().execute()
    begin_epoch(store, clock)
    return identity


def _counted_revisions() -> list[peewee.Field]:
    """Return the columns with revisions that were taken from the counter."""
    return [*(model.revision for model, _ in LISTED), Epoch.first_revision]


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
