"""Sync, upwards: tells the admin of users and loans. The row is the outbox: it is due while `pushed_revision` lags.

Nothing is dropped: a row stays due until the admin has answered for just this revision of it. A row that the admin
refuses is parked with the reason, so that it delays nobody else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import grpc

from frontend_server.store.models import (
    IS_DUE,
    NOTHING_IS_SURE,
    Loan,
    SyncState,
    User,
    lock_sync_state,
    sync_state,
)
from frontend_server.sync.answers import AnswerRefused, check_outcomes, is_position
from frontend_server.sync.resync import begin_resync, lost_its_past
from frontend_server.sync.schedule import describe
from frontend_server.sync.trials import REASON_LENGTH, plain
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_REFUSED,
    LoanRecord,
    RecordLoansRequest,
    RecordLoansResponse,
    RecordUsersRequest,
    RecordUsersResponse,
    UserRecord,
)
from library_domain.errors import CursorExpired, OtherFrontend
from library_domain.loans import loan_message
from library_domain.users import user_message
from service_kit.channel import error_info
from service_kit.clock import Clock
from service_kit.errors import RowUnreadable, ServerBusy
from service_kit.logs import logger
from service_kit.revisions import Counter, head_revision
from service_kit.store import Store
from service_kit.unreadable import DAMAGE, Damaged, read_rows

BATCH_ROWS = 100
FIRST_ROW_REVISION = 2
"""The first start of a store takes revision 1, so no row ever has it."""

PROOF_ROWS = 100
MOST_PARKED = 50
"""Rows that one push parks because the admin fails at each of them alone; the next push goes on after a pause."""

BLAMES_A_ROW = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""What a call with a bad row may end with. The others speak of the connection, the moment or the caller.

RESOURCE_EXHAUSTED without a reason is a message of more than 4 MB. Where it is an older admin that is too busy, a row
that it has taken before fails as well, and nothing is parked.
"""

OF_NO_ROW = frozenset({CursorExpired.reason, OtherFrontend.reason, ServerBusy.reason, RowUnreadable.reason})
"""Reasons with such a status that speak of the admin or of this frontend as a whole."""

RecordUsers = Callable[[RecordUsersRequest], RecordUsersResponse]
RecordLoans = Callable[[RecordLoansRequest], RecordLoansResponse]

Row = TypeVar("Row", User, Loan)
Send = Callable[[SyncState, Sequence[Row]], RecordUsersResponse | RecordLoansResponse]

log = logger(__name__)


def push(store: Store, record_users: RecordUsers, record_loans: RecordLoans, clock: Clock) -> int:
    """Send the admin all rows that are due; return how many that were.

    Answers stay settled.

    Raises:
        grpc.RpcError: The admin does not answer, or takes another frontend's rows.
        AnswerRefused: Its answer cannot be right.
    """
    send_users = functools.partial(_send_users, record_users)
    send_loans = functools.partial(_send_loans, record_loans, clock)
    run = _Run()
    pushed = 0
    while True:
        head, state = _head_and_state(store, run)
        try:
            if state.start_revision:
                _prove_current(store, send_users)
                continue
            sent = _push_due(store, run, state, User, head, send_users)
            sent += _push_due(store, run, state, Loan, head, send_loans)
        except _BeginAgain:
            continue
        except grpc.RpcError as error:
            # Once in a push: an admin that refuses its own receipts must not make this store resync in a loop.
            if run.has_resynced or not lost_its_past(error, state):
                raise
            begin_resync(store, state)
            run.has_resynced = True
            continue
        if not sent:
            return pushed
        pushed += sent


class _Run:
    """What one push has done that an admin in order makes it do only once, or only now and then."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.has_resynced = False
        self.has_moved = False
        self._parked = 0

    def moves(self) -> None:
        """Note that the rows get new revisions. Raises `AnswerRefused` at the second time."""
        if self.has_moved:
            raise AnswerRefused("the admin service says again and again that it knows newer rows than this frontend")
        self.has_moved = True

    def parks(self, error: grpc.RpcError) -> None:
        """Note that a row is parked at which the admin failed. Raises the error when that happens too often."""
        self._parked += 1
        if self._parked > MOST_PARKED:
            raise error


def _head_and_state(store: Store, run: _Run) -> tuple[int, SyncState]:
    """Read how far this store is and how far the sync has come. A damaged receipt, refused for ever, is replaced."""
    with store.reading():
        head, state = head_revision(), sync_state()
    if is_position(state.receipt):
        return head, state
    if run.has_resynced:
        raise RowUnreadable(kind="sync_state", id="1")
    begin_resync(store, state)
    run.has_resynced = True
    return _head_and_state(store, run)


def unpark(store: Store) -> None:
    """Make the parked rows due again."""
    with store.writing():
        lock_sync_state(store)  # otherwise it could lock the rows in another order than an answer that is being settled
        for model in (Loan, User):
            model.update(park_reason="").where(model.park_reason != "").execute()


class _BeginAgain(Exception):
    """What a pass relies on is no longer so: read the state of the sync again, and begin with what comes first."""


def _send_users(record_users: RecordUsers, state: SyncState, rows: Sequence[User]) -> RecordUsersResponse:
    records = [cast("UserRecord", _message_of(row, 0)) for row in rows]
    return record_users(RecordUsersRequest(frontend_id=state.frontend_id, users=records, receipt=state.receipt))


def _send_loans(record_loans: RecordLoans, clock: Clock, state: SyncState, rows: Sequence[Loan]) -> RecordLoansResponse:
    records = [cast("LoanRecord", _message_of(row, clock())) for row in rows]
    return record_loans(RecordLoansRequest(frontend_id=state.frontend_id, loans=records, receipt=state.receipt))


def _prove_current(store: Store, send_users: Send[User]) -> None:
    """Find out whether this store is an old copy, restored from a backup, before anything since its start is told.

    Whatever the admin knows was given before the start, so it has a smaller revision; unless it is of a past that this
    copy lacks. That must be asked first: once the changes since the start are sent, they hide it. A user is sent again
    for the sake of the answer, one that has changed since the start with a revision of before it, which hides nothing.
    A store without users has nothing that could be older than the admin's.

    After the admin lost its past nothing is sure: it may have been restored to one that this store has lost, in turn.
    """
    with store.snapshot():
        state = sync_state()
        known = User.select().order_by(User.revision).limit(PROOF_ROWS)
        users = [row for row in read_rows(known, User) if not isinstance(row, Damaged) and _damage(row) is None]
    is_sure = state.start_revision != NOTHING_IS_SURE
    since_start = max(state.start_revision, FIRST_ROW_REVISION)
    for user in users if is_sure else []:
        user.revision = min(user.revision, since_start - 1)
    newest = _newest_revision(store, state, users, send_users)
    with store.writing():
        proved = SyncState.update(start_revision=0).where(SyncState.start_revision == state.start_revision)
        if proved.execute() and (newest >= since_start or not is_sure):
            _move_past(store, newest)


def _newest_revision(store: Store, state: SyncState, users: Sequence[User], send_users: Send[User]) -> int:
    """Return the newest revision that the admin has recorded, by its answer to one of these users; 0 for no users."""
    failure: grpc.RpcError | None = None
    for user in users:
        try:
            answer = send_users(state, [user])
            with store.reading():
                check_outcomes([user], answer, head_revision())
        except grpc.RpcError as error:
            if not _may_blame_a_row(error):
                raise
            failure = failure or error  # this user may be a bad row: the next one does as well
        else:
            return answer.newest_revision
    if failure is not None:
        raise failure
    return 0


def _push_due(store: Store, run: _Run, began: SyncState, model: type[Row], head: int, send: Send[Row]) -> int:
    """Send all rows that are due up to the revision `head`; return how many that were.

    A batch that the admin cannot take as a whole is halved until the row that it cannot take is alone; it is parked.
    Raises `_BeginAgain` when the pass, which began at the state `began`, must begin again.
    """
    pushed, limit = 0, BATCH_ROWS
    while True:
        state, rows = _due(store, began, model, head, limit)
        if not rows:
            return pushed
        try:
            answer = send(state, rows)
        except grpc.RpcError as error:
            if not _may_blame_a_row(error):
                raise
            limit = max(len(rows) // 2, 1)
            if len(rows) == 1:
                run.parks(error)
                _park(store, state, rows[0], send, error)
            continue
        with store.reading():
            check_outcomes(rows, answer, head_revision())
        _settle(store, run, state, rows, answer)
        pushed += len(rows)
        limit = min(2 * limit, BATCH_ROWS)


def _due(store: Store, began: SyncState, model: type[Row], head: int, limit: int) -> tuple[SyncState, list[Row]]:
    """The state of the sync, and of one moment with it the rows that are due, oldest change first.

    Another process may have begun a resync since the pass began, or have started: then a proof comes before all rows.
    And users go before the loans that name them: those of all loans up to `head` were sent in this pass, unless they
    became due again meanwhile. In both cases this raises `_BeginAgain`.
    """
    while True:
        with store.snapshot():
            state = sync_state()
            if state.generation != began.generation or state.start_revision:
                raise _BeginAgain
            if model is Loan and User.select().where(IS_DUE, User.revision <= head).exists():
                raise _BeginAgain
            due = model.select().where(IS_DUE, model.revision <= head).order_by(model.revision).limit(limit)
            rows = read_rows(due, model)
        fit = [row for row in rows if not isinstance(row, Damaged) and _damage(row) is None]
        if len(fit) == len(rows):
            return state, fit
        for row in rows:
            _park_damaged(store, model, row)


def _damage(row: User | Loan | Damaged) -> Exception | None:
    """Return why no message can be made of a row; None for a row in order."""
    if isinstance(row, Damaged):
        return row.error
    try:
        _message_of(row, 0)
    except DAMAGE as error:
        return error
    return None


def _park_damaged(store: Store, model: type[Row], row: Row | Damaged) -> None:
    """Park a row if it is damaged in this store, so that it does not stop the others."""
    error = _damage(row)
    if error is None:
        return
    reason = plain(f"the row is damaged in the store of the frontend: {type(error).__name__}: {error}")[:REASON_LENGTH]
    with store.writing():
        parked = model.update(park_reason=reason).where(model.key == row.key)
        if not isinstance(row, Damaged):
            parked = parked.where(model.revision == row.revision)  # and not a version that was written meanwhile
        parked.execute()
    log.error("damaged row cannot be sent to the admin", table=model._meta.table_name, key=row.key, reason=reason)


def _message_of(row: User | Loan, now: int) -> UserRecord | LoanRecord:
    """Return the message of a row. Raises one of `DAMAGE` for a damaged one."""
    if isinstance(row, User):
        record: UserRecord | LoanRecord = UserRecord(revision=row.revision, user=user_message(row, 0))
    else:
        record = LoanRecord(revision=row.revision, loan=loan_message(row, now))
    if not isinstance(row.pushed_revision, int):
        raise TypeError("pushed_revision is not a number")
    return record


def _may_blame_a_row(error: grpc.RpcError) -> bool:
    """Return whether a call may have failed because of a row in it, and would fail again."""
    code = cast("grpc.Call", error).code()
    return code in BLAMES_A_ROW and error_info(error).reason not in OF_NO_ROW


def _park(store: Store, state: SyncState, row: Row, send: Send[Row], error: grpc.RpcError) -> None:
    """Park a row that fails alone. Raises the error when a row that the admin has taken before fails as well."""
    model = type(row)
    with store.reading():
        taken = model.select().where(model.revision == model.pushed_revision, model.key != row.key).first()
    if taken is not None:
        try:
            send(state, [taken])  # the admin answers UNCHANGED, and this notes nothing
        except grpc.RpcError as another:
            raise error from another
    reason = plain(describe(error))[:REASON_LENGTH]
    with store.writing():
        # After a resync has begun, the admin that failed is no more, and the row is due again. Locked, so that no
        # resync begins between this look and the update.
        locked = lock_sync_state(store)
        if locked is None or locked.generation != state.generation:
            return
        parked = model.update(park_reason=reason)
        parked.where(model.key == row.key, model.revision == row.revision).execute()
    log.error("row cannot be sent to the admin", table=model._meta.table_name, id=row.id, reason=reason)


def _settle(
    store: Store,
    run: _Run,
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
            run.moves()
            _move_past(store, answer.newest_revision)  # and so these rows go again, too
            return
        for row, outcome in zip(rows, answer.outcomes, strict=True):
            model = type(row)
            if outcome.result == RECORD_RESULT_REFUSED:
                reason = plain(outcome.reason[:REASON_LENGTH])[:REASON_LENGTH] or "the admin service sent no reason"
                parked = model.update(park_reason=reason)
                parked.where(model.key == row.key, model.revision == row.revision).execute()
                log.error("row refused by the admin", table=model._meta.table_name, id=row.id, reason=reason)
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
