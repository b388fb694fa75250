"""Finds and repairs damage in a frontend's store that prevents a start or the sync, or makes counts wrong.

The repair neither loses nor duplicates a row. Every user and loan becomes due again. Before it sends them, the push
reads the newest revision that the admin has recorded, and moves the counter past it. The catalogue is read again in a
new generation, which replaces damaged revisions of its rows. Loans are counted again, and the places of items follow
from them.

A damaged cursor or receipt is not damage here: the sync replaces it.
"""

from __future__ import annotations

from typing import Any

import peewee

from frontend_server.store.models import (
    FREE_COPIES,
    IS_OPEN_OF_ITEM,
    NOTHING_IS_SURE,
    Book,
    ClockMark,
    Item,
    Loan,
    SetAside,
    SyncState,
    User,
)
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.pushed_kinds import PUSHED_KINDS
from frontend_server.watched_clock import END_OF_TIME
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_PLACE_ON_SHELF
from library_domain.barcodes import LAST_IN_SERIES, card_number
from library_domain.pairing import is_frontend_id, is_secret
from service_kit.clock import SECOND
from service_kit.damage import (
    Rules,
    column_problems,
    correct_counts,
    count_problems,
    counter_problems,
    is_truth_value,
    lag_problems,
    number_in,
    right_values,
    row_problems,
    stored_row,
    text_like,
)
from service_kit.doctor import Identity
from service_kit.ids import new_id
from service_kit.random_secrets import new_secret
from service_kit.revisions import Counter, damaged, newest_in
from service_kit.series import repair_series, series_problems
from service_kit.store import Store

COLUMNS: tuple[tuple[peewee.Field, int], ...] = (
    *((kind.model.revision, 1) for kind in PUSHED_KINDS),
    *((kind.model.pushed_revision, 0) for kind in PUSHED_KINDS),
    *((kind.model.revision, 0) for kind in PULLED_KINDS),
    *((kind.model.generation, 0) for kind in PULLED_KINDS),
    (SetAside.revision, 0),
    (SetAside.generation, 0),
)
"""Columns of revisions and generations, each with its least valid value."""

SYNC_STATE: Rules = {
    SyncState.frontend_id: text_like(is_frontend_id),
    SyncState.secret: text_like(lambda secret: not secret or is_secret(secret)),
    SyncState.generation: number_in(1),
    SyncState.start_revision: number_in(NOTHING_IS_SURE),
    SyncState.resyncing: is_truth_value,
    SyncState.policy_version: text_like(lambda version: True),
}

LATEST_TIME = END_OF_TIME * SECOND

CLOCK_MARK: Rules = {
    ClockMark.newest_time: number_in(0, LATEST_TIME),
    ClockMark.ignored_until: number_in(0, LATEST_TIME),
}

OPEN_LOANS_OF_BOOK = Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.book_id == Book.id, Loan.return_time.is_null())
OPEN_LOANS_OF_USER = Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.user_id == User.id, Loan.return_time.is_null())
COUNTS = {Book.on_loan: OPEN_LOANS_OF_BOOK, User.active_loan_count: OPEN_LOANS_OF_USER}
FREE_COPY_COUNTS = {Book.free_copies: FREE_COPIES}
"""Counted after `COUNTS` and `PLACES`, on which it depends."""

IS_OUT = peewee.fn.EXISTS(Loan.select(peewee.SQL("1")).where(Loan.item_id == Item.id, IS_OPEN_OF_ITEM))
PLACES = {Item.place: peewee.Case(None, [(IS_OUT, ITEM_PLACE_ON_LOAN)], ITEM_PLACE_ON_SHELF)}
"""The right place of an item: it is out while it has an open loan."""


def find_start_damage(store: Store) -> list[str]:
    """Return the damage that prevents a start, a clause for each. Only three rows are read."""
    found = counter_problems(store)
    # The first start inserts the state of the sync before it takes the first revision.
    is_new = not found and Counter.get_by_id(1).revision == 0
    found += row_problems(store, SyncState.one, SYNC_STATE, may_be_missing=is_new)
    return found + row_problems(store, ClockMark.one, CLOCK_MARK, may_be_missing=False)


def find_damage(store: Store) -> list[str]:
    """Return all damage, a clause for each."""
    found = [*find_start_damage(store), *lag_problems([kind.model.revision for kind in PUSHED_KINDS])]
    found += [*series_problems(), *column_problems(COLUMNS), *count_problems(COUNTS)]
    return [*found, *_place_problems(), *count_problems(FREE_COPY_COUNTS, "free copies")]


def _place_problems() -> list[str]:
    return [
        f"item.place differs from the open loans in {wrong} rows"
        for place, right in PLACES.items()
        if (wrong := Item.select().where(place != right).count())
    ]


def frontend_id(store: Store) -> str:
    """Return the id of this frontend; empty if it is damaged or not created yet."""
    return str(right_values(stored_row(store, SyncState.one, SYNC_STATE), SYNC_STATE).get("frontend_id", ""))


def repair(store: Store) -> Identity:
    """Repair the store within a transaction, while no service uses it."""
    store.lift_time_limit()
    own_revisions = [Counter.revision, *(kind.model.revision for kind in PUSHED_KINDS)]
    beyond = max(newest_in(column) for column in own_revisions) + 1
    identity = _repair_sync_state(store)
    for kind in reversed(PUSHED_KINDS):
        kind.model.update(revision=beyond).where(damaged(kind.model.revision, least=1)).execute()
        kind.model.update(pushed_revision=0, park_reason="").execute()
    for pulled in PULLED_KINDS:
        for column in (pulled.model.revision, pulled.model.generation):
            pulled.model.update({column: 0}).where(damaged(column)).execute()
    SetAside.delete().where(damaged(SetAside.revision) | damaged(SetAside.generation)).execute()
    correct_counts(COUNTS)
    correct_counts(PLACES)
    correct_counts(FREE_COPY_COUNTS)
    _repair_clock_mark(store)
    Counter.delete().where(Counter.id == 1).execute()
    Counter.insert(id=1, revision=beyond).execute()
    of_series = User.card_number.between(card_number(1), card_number(LAST_IN_SERIES))
    repair_series(used=User.select().where(of_series).count())
    return identity


def _repair_sync_state(store: Store) -> Identity:
    """Begin a new generation. Keep the id and the secret of this frontend if they are valid."""
    kept = right_values(stored_row(store, SyncState.one, SYNC_STATE), SYNC_STATE)
    generations = [SyncState.generation, *(kind.model.generation for kind in PULLED_KINDS)]
    generation = max(newest_in(column) for column in generations) + 1
    lost = "" if "frontend_id" in kept and "secret" in kept else "secret" if "frontend_id" in kept else "id"
    own = {"frontend_id": kept.get("frontend_id") or new_id(), "secret": kept.get("secret") or new_secret()}
    SyncState.delete().execute()
    SyncState.insert(
        one=1, cursor="", receipt="", generation=generation, resyncing=True, start_revision=NOTHING_IS_SURE, **own
    ).execute()
    return Identity(own["frontend_id"], lost)


def _repair_clock_mark(store: Store) -> None:
    """Set the newest time from the users and loans, if it is damaged."""
    kept = right_values(stored_row(store, ClockMark.one, CLOCK_MARK), CLOCK_MARK)
    if len(kept) == len(CLOCK_MARK):
        return
    columns: list[Any] = [User.create_time, User.update_time, Loan.borrow_time, Loan.return_time]
    values: dict[str, Any] = {"newest_time": max(map(_newest_time, columns)), "ignored_until": 0, **kept}
    ClockMark.delete().execute()
    ClockMark.insert(one=1, **values).execute()


def _newest_time(column: peewee.Field) -> int:
    newest = column.model.select(peewee.fn.MAX(column)).where(column.between(0, LATEST_TIME)).scalar()
    return newest if isinstance(newest, int) else 0
