"""GetSyncStatus: how far this frontend and the admin are in step, as this process knows."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

from frontend_server.store.models import IS_DUE, IS_PARKED, Book, Loan, SetAside, User, sync_state
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, PushedKind
from frontend_server.sync.sync import Health, Sync
from frontend_server.sync.trials import REASON_LENGTH
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1.sync_service_pb2 import ParkedRow, SetAsideRow, SyncStatus
from service_kit.clock import timestamp
from service_kit.store import Store
from service_kit.unreadable import all_shown, read_rows

ROWS_SHOWN = 100
"""Of the parked rows, and of those set aside."""


def get_sync_status(store: Store, clock: WatchedClock, sync: Sync) -> SyncStatus:
    """Read what waits in the store, and how the last pull and push of this process ended."""
    status = SyncStatus(admin_target=sync.admin_target)
    with store.reading():
        state = sync_state()
        status.frontend_id = state.frontend_id
        status.resyncing = state.resyncing
        status.waiting_user_count = User.select().where(IS_DUE).count()
        status.waiting_loan_count = Loan.select().where(IS_DUE).count()
        status.book_count = Book.select().count()
        status.store_size_bytes = store.size_bytes()
        add_parked_rows(status)
        _add_rows_set_aside(status)
    _add_health(status, sync.pull_health, sync.push_health)
    if behind := clock.behind():
        status.clock_behind.FromMicroseconds(behind)
        status.newest_time.CopyFrom(timestamp(clock.newest_time))
    return status


def add_parked_rows(status: SyncStatus, kinds: Sequence[PushedKind] = PUSHED_KINDS) -> None:
    """Count the parked rows, and show the first of them."""
    for kind in kinds:
        parked = kind.model.select().where(IS_PARKED)
        status.parked_row_count += parked.count()
        shown = parked.order_by(kind.model.key).limit(ROWS_SHOWN - len(status.parked_rows))
        rows = read_rows(shown, kind.model)
        status.parked_rows.extend(all_shown(rows, functools.partial(_parked_row, kind.name)))


def _add_rows_set_aside(status: SyncStatus) -> None:
    status.set_aside_count = SetAside.select().count()
    rows = read_rows(SetAside.select().order_by(SetAside.key).limit(ROWS_SHOWN), SetAside)
    status.set_aside_rows.extend(all_shown(rows, _set_aside_row))


def _add_health(status: SyncStatus, pull: Health, push: Health) -> None:
    status.last_pull_error, status.last_push_error = pull.last_error, push.last_error
    if pull.last_time is not None:
        status.last_pull_time.CopyFrom(timestamp(pull.last_time))
        status.cursor_age.FromMilliseconds(int((time.monotonic() - pull.ended_at) * 1_000))
    if push.last_time is not None:
        status.last_push_time.CopyFrom(timestamp(push.last_time))


def _parked_row(kind: str, row: Any) -> ParkedRow:
    return ParkedRow(kind=kind, id=row.id, reason=row.park_reason[:REASON_LENGTH])


def _set_aside_row(row: SetAside) -> SetAsideRow:
    return SetAsideRow(
        kind=row.kind,
        id=row.id,
        reason=row.reason[:REASON_LENGTH],
        revision=row.revision,
        set_aside_time=timestamp(row.time),
    )
