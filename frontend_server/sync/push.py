"""Sync, upwards: tells the admin of users and loans. The row is the outbox: it is due while `pushed_revision` lags.

Nothing is dropped: a row stays due until the admin has answered for just this revision of it. A row that the admin
refuses is parked with the reason, so that it delays nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc

from frontend_server.store.models import IS_DUE, NOTHING_IS_SURE, Loan, SyncState, User
from frontend_server.sync.pull import begin_resync, lost_its_past
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_REFUSED,
    LoanRecord,
    RecordLoansRequest,
    RecordLoansResponse,
    RecordUsersRequest,
    RecordUsersResponse,
    UserRecord,
)
from library_domain.loans import loan_message
from library_domain.users import user_message
from service_kit.clock import Clock
from service_kit.logs import logger
from service_kit.revisions import Counter, head_revision
from service_kit.store import Store

BATCH_ROWS = 100

RecordUsers = Callable[[RecordUsersRequest], RecordUsersResponse]
RecordLoans = Callable[[RecordLoansRequest], RecordLoansResponse]

Row = TypeVar("Row", User, Loan)

log = logger(__name__)


def push(store: Store, record_users: RecordUsers, record_loans: RecordLoans, clock: Clock) -> int:
    """Tell the admin of all rows that are due; give how many that were.

    Raises `grpc.RpcError` when the admin does not answer, or takes another frontend's rows; answers stay settled.
    """
    pushed = 0
    while True:
        with store.reading():
            head, state = head_revision(), SyncState.get()
        try:
            if state.start_revision:
                _prove_current(store, record_users)
                continue
            # Users before the loans that name them: the users of all loans up to `head` are told of first.
            sent = _push_users(store, record_users, head) + _push_loans(store, record_loans, head, clock)
        except grpc.RpcError as error:
            if not lost_its_past(error, state):
                raise
            begin_resync(store, state)
            continue
        if not sent:
            return pushed
        pushed += sent


def unpark(store: Store) -> None:
    """Make the parked rows due again."""
    with store.writing():
        for model in (Loan, User):
            model.update(park_reason="").where(model.park_reason != "").execute()


def _prove_current(store: Store, record_users: RecordUsers) -> None:
    """Find out whether this store is an old copy, restored from a backup, before anything since its start is told.

    Whatever the admin knows was given before the start, so it has a smaller revision; unless it is of a past that this
    copy lacks. That must be asked first: once the changes since the start are told, they hide it. A user whom the admin
    knows is told again for its answer's sake; a store without users has nothing that could be older than the admin's.

    After the admin lost its past nothing is sure: it may have been restored to one that this store has lost, in turn.
    """
    with store.snapshot():
        state = SyncState.get()
        known = User.select().order_by(User.revision).first()
    newest = 0
    if known is not None and (known.revision < state.start_revision or state.start_revision == NOTHING_IS_SURE):
        records = [UserRecord(revision=known.revision, user=user_message(known, 0))]
        request = RecordUsersRequest(frontend_id=state.frontend_id, users=records, receipt=state.receipt)
        newest = record_users(request).newest_revision
    with store.writing():
        proved = SyncState.update(start_revision=0).where(SyncState.start_revision == state.start_revision)
        if proved.execute() and newest >= state.start_revision:
            _move_past(store, newest)


def _push_users(store: Store, record_users: RecordUsers, head: int) -> int:
    pushed = 0
    while True:
        state, rows = _due(store, User, head)
        if not rows:
            return pushed
        records = [UserRecord(revision=row.revision, user=user_message(row, 0)) for row in rows]
        request = RecordUsersRequest(frontend_id=state.frontend_id, users=records, receipt=state.receipt)
        _settle(store, state, rows, record_users(request))
        pushed += len(rows)


def _push_loans(store: Store, record_loans: RecordLoans, head: int, clock: Clock) -> int:
    pushed = 0
    while True:
        state, rows = _due(store, Loan, head)
        if not rows:
            return pushed
        records = [LoanRecord(revision=row.revision, loan=loan_message(row, clock())) for row in rows]
        request = RecordLoansRequest(frontend_id=state.frontend_id, loans=records, receipt=state.receipt)
        _settle(store, state, rows, record_loans(request))
        pushed += len(rows)


def _due(store: Store, model: type[Row], head: int) -> tuple[SyncState, list[Row]]:
    """The state of the sync, and of one moment with it the rows that are due, oldest change first."""
    with store.snapshot():
        state = SyncState.get()
        due = model.select().where(IS_DUE, model.revision <= head).order_by(model.revision).limit(BATCH_ROWS)
        return state, list(due)


def _settle(
    store: Store,
    state: SyncState,
    rows: Sequence[Row],
    answer: RecordUsersResponse | RecordLoansResponse,
) -> None:
    """Note what the admin answered, unless it has lost its past meanwhile: then the answer is worth nothing.

    An answer that crossed another one is not noted either, since receipts must follow each other: its rows go again.
    """
    with store.writing():
        still = SyncState.update(receipt=answer.receipt).where(
            SyncState.generation == state.generation, SyncState.receipt == state.receipt
        )
        if not still.execute():
            return
        if answer.newest_revision > head_revision():
            _move_past(store, answer.newest_revision)  # and so these rows go again, too
            return
        for row, outcome in zip(rows, answer.outcomes, strict=True):
            model = type(row)
            if outcome.result == RECORD_RESULT_REFUSED:
                parked = model.update(park_reason=outcome.reason or "the admin gave no reason")
                parked.where(model.key == row.key, model.revision == row.revision).execute()
                log.error("row refused by the admin", table=model._meta.table_name, id=row.id, reason=outcome.reason)
            else:
                told = model.update(pushed_revision=row.revision)
                told.where(model.key == row.key, model.pushed_revision < row.revision).execute()


def _move_past(store: Store, newest_revision: int) -> None:
    """Give all rows a revision that the admin has not seen, and make them due.

    The admin has recorded a revision that this store never gave: so this store was restored from an old backup, and
    without this the admin would take its changes for old ones.
    """
    log.warning("this store is older than what the admin recorded; telling users and loans anew")
    store.lift_time_limit()
    beyond = max(newest_revision, head_revision()) + 1
    for model in (Loan, User):  # in the order of lending, and the counter last, as there
        model.update(revision=beyond, pushed_revision=0, park_reason="").execute()
    Counter.update(revision=beyond).where(Counter.revision < beyond).execute()
