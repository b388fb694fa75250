"""Sync, upwards: sends users and loans to the admin. The row is the outbox: it is due while `pushed_revision` lags.

Nothing is dropped: a row stays due until the admin has acknowledged this revision of it. A row that the admin refuses
is parked: see `frontend_server.sync.parking`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import grpc

from frontend_server.store.models import IS_DUE, NOTHING_IS_SURE, SyncState, lock_sync_state, sync_state
from frontend_server.sync.answers import AnswerRefused, check_outcomes, describe, is_position
from frontend_server.sync.parking import (
    UNKNOWN_KIND,
    UNKNOWN_KIND_REASON,
    may_blame_a_row,
    park,
    park_damaged,
    probe_unknown_kinds,
    unpark,
)
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, Outgoing, PushedKind, outgoing
from frontend_server.sync.resync import begin_resync, refuses_position
from frontend_server.sync.trials import REASON_LENGTH, plain
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNKNOWN_KIND,
    RecordOutcome,
    RecordStatesRequest,
    RecordStatesResponse,
)
from service_kit.clock import Clock
from service_kit.errors import RowUnreadable
from service_kit.ids import UUID
from service_kit.logs import logger
from service_kit.revisions import Counter, head_revision
from service_kit.store import Store
from service_kit.unreadable import DAMAGE, read_rows

BATCH_ROWS = 100
FIRST_ROW_REVISION = 2
"""The first start of a store takes revision 1, so no row ever has it."""

PROOF_ROWS = 100
MOST_PARKED = 50
"""Rows that one push parks because the admin fails at each of them alone; the next push goes on after a pause."""

Record = Callable[[RecordStatesRequest], RecordStatesResponse]

log = logger(__name__)


def push(
    store: Store,
    record: Record,
    clock: Clock,
    *,
    kinds: Sequence[PushedKind] = PUSHED_KINDS,
    batch_rows: int = BATCH_ROWS,
) -> int:
    """Send the admin all rows that are due; return how many that were.

    What the admin acknowledged before an error stays settled.

    Raises:
        grpc.RpcError: The admin does not answer, or is paired with another frontend.
        AnswerRefused: Its answer cannot be right.
    """
    return _Push(store, record, clock, kinds, batch_rows).run()


class _BeginAgain(Exception):
    """The state of the sync that a pass began with has changed: read it again, and begin with what comes first."""


class _Push:
    """One push. It limits what an admin in order causes at most once, or now and then."""

    def __init__(
        self, store: Store, record: Record, clock: Clock, kinds: Sequence[PushedKind], batch_rows: int
    ) -> None:
        self._store, self._record, self._clock = store, record, clock
        self._kinds, self._batch_rows = kinds, batch_rows
        self._has_resynced = False
        self._has_moved = False
        self._has_changed_start = False
        self._parked = 0
        self._probed: list[PushedKind] = []

    def run(self) -> int:
        self._probed = probe_unknown_kinds(self._store, self._kinds)
        pushed = 0
        while True:
            head, state = self._head_and_state()
            try:
                if state.start_revision:
                    self._prove_current()
                    continue
                sent = self._push_due(state, head)
            except _BeginAgain:
                continue
            except grpc.RpcError as error:
                # Once in a push: an admin that refuses its own receipts must not make this store resync in a loop.
                if self._has_resynced or not refuses_position(error, state):
                    raise
                self._resync(state)
                continue
            if not sent:
                return pushed
            pushed += sent

    def _head_and_state(self) -> tuple[int, SyncState]:
        """Read the newest revision of this store and the state of the sync. Replace a damaged receipt by a resync."""
        while True:
            with self._store.reading():
                head, state = head_revision(), sync_state()
            if is_position(state.receipt):
                return head, state
            if self._has_resynced:
                raise RowUnreadable(kind="sync_state", id="1")
            self._resync(state)

    def _resync(self, state: SyncState) -> None:
        begin_resync(self._store, state, self._kinds)
        self._has_resynced = True

    def _send(self, state: SyncState, rows: Sequence[Outgoing]) -> RecordStatesResponse:
        """Send rows. Raises `_BeginAgain` if another copy of this store has pushed rows: then all have to be moved."""
        request = RecordStatesRequest(
            frontend_id=state.frontend_id,
            states=[each.state for each in rows],
            receipt=state.receipt,
            start_ids=state.starts,
        )
        answer = self._record(request)
        if request.start_ids and answer.start_id not in ("", *request.start_ids):
            self._follow_other_copy(state, answer.start_id)
        return answer

    # --- whether this store is an old copy ---

    def _follow_other_copy(self, state: SyncState, start_id: str) -> NoReturn:
        """Prepare to send all rows with new revisions, after the last start of another copy of this store.

        The other copy was restored from a backup, or this one was. Both may have used the same revisions for different
        changes, so revisions alone do not show it. If another process of this store has started meanwhile, there may be
        no other copy: the next pass shows it.
        """
        if self._has_changed_start or not UUID.fullmatch(start_id):
            raise AnswerRefused("the admin service returned a start of the frontend that cannot be right")
        self._has_changed_start = True
        with self._store.writing():
            locked = lock_sync_state(self._store)
            if locked is not None and locked.starts == state.starts:
                starts = " ".join([start_id, *state.starts[-1:]])
                SyncState.update(start_ids=starts, start_revision=NOTHING_IS_SURE).execute()
                log.warning("another copy of this store has pushed rows; pushing all rows again")
        raise _BeginAgain

    def _prove_current(self) -> None:
        """Find out whether this store was restored from an old backup, before changes since its start are sent.

        All rows that the admin has recorded were sent before the start, so their revisions are smaller. A greater one
        shows that this store is an old copy. It has to be asked for first, because the changes since the start will
        have greater revisions. So a row is sent again for the sake of the answer. One that has changed since the start
        goes with a revision from before the start. A store without rows cannot be older than the admin's.

        After a resync began, all rows move past the answer: the admin may have been restored to a state that this
        store has lost.
        """
        with self._store.snapshot():
            state = sync_state()
            rows = self._rows_for_proof()
        is_sure = state.start_revision != NOTHING_IS_SURE
        since_start = max(state.start_revision, FIRST_ROW_REVISION)
        for each in rows if is_sure else []:
            each.state.revision = min(each.row.revision, since_start - 1)
        newest = self._newest_revision(state, rows)
        with self._store.writing():
            locked = lock_sync_state(self._store)
            if locked is None or (locked.start_revision, locked.starts) != (state.start_revision, state.starts):
                return  # another process has started, or was quicker
            starts = state.starts[-1:] if newest else state.starts  # without a row, the admin has not got them
            SyncState.update(start_revision=0, start_ids=" ".join(starts)).execute()
            if newest >= since_start or not is_sure:
                self._move_past(newest)

    def _rows_for_proof(self) -> list[Outgoing]:
        """Read rows of the first kind that has any: the others may name rows of it that are not recorded yet."""
        for kind in self._kinds:
            rows = self._sound_rows(kind, kind.model.select().order_by(kind.model.revision).limit(PROOF_ROWS))
            if rows:
                return rows
        return []

    def _sound_rows(self, kind: PushedKind, query: Any) -> list[Outgoing]:
        """Read the rows of a query, without damaged ones."""
        rows = []
        for row in read_rows(query, kind.model):
            try:
                rows.append(outgoing(kind, row, self._clock()))
            except DAMAGE:
                continue
        return rows

    def _newest_revision(self, state: SyncState, rows: Sequence[Outgoing]) -> int:
        """Return the newest revision that the admin has recorded, by its answer to one of these rows; 0 for no rows."""
        failure: grpc.RpcError | None = None
        for each in rows:
            try:
                answer = self._send(state, [each])
                self._check_answer([each], answer)
            except grpc.RpcError as error:
                if not may_blame_a_row(error):
                    raise
                failure = failure or error  # this row may be a bad one: try the next
            else:
                return answer.newest_revision
        if failure is not None:
            raise failure
        return 0

    def _move_past(self, newest_revision: int) -> None:
        """Set a revision in all rows that the admin has not seen, and make them due.

        The admin has recorded a revision that this store never used, so this store was restored from an old backup.
        Without this the admin would take its changes for old ones.
        """
        log.warning("this store is older than what the admin recorded; pushing all users and loans again")
        self._store.lift_time_limit()
        beyond = max(newest_revision, head_revision()) + 1
        for kind in reversed(self._kinds):  # and the counter last, as in lending
            kind.model.update(revision=beyond, pushed_revision=0, park_reason="").execute()
        Counter.update(revision=beyond).where(Counter.id == 1, Counter.revision < beyond).execute()

    # --- what is due ---

    def _push_due(self, began: SyncState, head: int) -> int:
        """Send all rows that are due up to the revision `head`; return how many that were.

        A batch that the admin cannot take as a whole is halved until the bad row is alone; it is parked.
        Raises `_BeginAgain` when the pass, which began at the state `began`, must begin again.
        """
        pushed, limit = 0, self._batch_rows
        while True:
            state, rows = self._due(began, head, limit)
            if not rows:
                return pushed
            try:
                answer = self._send(state, rows)
            except grpc.RpcError as error:
                if not may_blame_a_row(error):
                    raise
                limit = max(len(rows) // 2, 1)
                if len(rows) == 1:
                    self._park_failing(state, rows[0], error)
                continue
            self._check_answer(rows, answer)
            self._settle(state, rows, answer)
            self._unpark_known_kinds(rows, answer)
            pushed += len(rows)
            limit = min(2 * limit, self._batch_rows)

    def _due(self, began: SyncState, head: int, limit: int) -> tuple[SyncState, list[Outgoing]]:
        """Read the state of the sync and, in the same snapshot, rows that are due: kind by kind, oldest change first.

        So a row is never sent before a row that it names and that is due. Rows with a revision after `head` wait for
        the next pass, so that users who enrol during this one do not delay its loans.

        Raises `_BeginAgain` if another process has begun a resync or has started since the pass began: then the proof
        comes first.
        """
        while True:
            with self._store.snapshot():
                state = sync_state()
                if state.generation != began.generation or state.start_revision:
                    raise _BeginAgain
                found: list[tuple[PushedKind, Any]] = []
                for kind in self._kinds:
                    due = kind.model.select().where(IS_DUE, kind.model.revision <= head).order_by(kind.model.revision)
                    found += [(kind, row) for row in read_rows(due.limit(limit - len(found)), kind.model)]
                    if len(found) == limit:
                        break
            rows, are_damaged = [], False
            for kind, row in found:
                try:
                    rows.append(outgoing(kind, row, self._clock()))
                except DAMAGE as error:
                    are_damaged = True
                    park_damaged(self._store, kind, row, error)
            if not are_damaged:
                return state, rows

    def _check_answer(self, rows: Sequence[Outgoing], answer: RecordStatesResponse) -> None:
        with self._store.reading():
            head = head_revision()
        check_outcomes([each.row for each in rows], answer, head)

    def _settle(self, state: SyncState, rows: Sequence[Outgoing], answer: RecordStatesResponse) -> None:
        """Store the admin's answer, unless a resync has begun meanwhile: the admin may have lost these rows since.

        An answer that crossed another one is not stored either, since receipts must follow each other. Its rows are
        sent again.
        """
        with self._store.writing():
            still = SyncState.update(receipt=answer.receipt).where(
                SyncState.generation == state.generation, SyncState.receipt == state.receipt
            )
            if not still.execute():
                return
            if answer.newest_revision > head_revision():
                if self._has_moved:
                    raise AnswerRefused(
                        "the admin service names a revision again and again that is newer than those of this frontend"
                    )
                self._has_moved = True
                self._move_past(answer.newest_revision)  # and so these rows go again, too
                return
            for each, outcome in reversed(list(zip(rows, answer.outcomes, strict=True))):  # in the order of locks
                self._settle_row(each, outcome)

    def _settle_row(self, each: Outgoing, outcome: RecordOutcome) -> None:
        model, row = each.kind.model, each.row
        if outcome.result == RECORD_RESULT_UNKNOWN_KIND:
            park(each, UNKNOWN_KIND_REASON)
            if each.kind not in self._probed:
                self._probed.append(each.kind)
                log.warning("rows of a kind that the admin does not know wait for its upgrade", kind=each.kind.name)
        elif outcome.result == RECORD_RESULT_REFUSED:
            reason = plain(outcome.reason[:REASON_LENGTH])[:REASON_LENGTH] or "the admin service sent no reason"
            park(each, reason)
            log.error("row refused by the admin", kind=each.kind.name, id=row.id, reason=reason)
        else:
            pushed = model.update(pushed_revision=row.revision)
            pushed.where(model.key == row.key, model.pushed_revision < row.revision).execute()

    # --- rows that are not recorded ---

    def _park_failing(self, state: SyncState, each: Outgoing, error: grpc.RpcError) -> None:
        """Park a row that fails alone. Raises the error when a row that the admin has recorded fails as well."""
        self._parked += 1
        if self._parked > MOST_PARKED:
            raise error
        model = each.kind.model
        with self._store.reading():
            recorded = model.select().where(model.revision == model.pushed_revision, model.key != each.row.key)
            others = self._sound_rows(each.kind, recorded.limit(1))
        if others:
            try:
                self._send(state, others)  # the admin answers UNCHANGED, and this notes nothing
            except grpc.RpcError as another:
                raise error from another
        reason = plain(describe(error))[:REASON_LENGTH]
        with self._store.writing():
            # After a resync has begun, the failure came from before the admin's restore, and the row is due again.
            # The lock keeps a resync from beginning between this check and the update.
            locked = lock_sync_state(self._store)
            if locked is None or locked.generation != state.generation:
                return
            park(each, reason)
        log.error("row cannot be sent to the admin", kind=each.kind.name, id=each.row.id, reason=reason)

    def _unpark_known_kinds(self, rows: Sequence[Outgoing], answer: RecordStatesResponse) -> None:
        """Make all rows due of those kinds, not known before, that the admin has answered for now."""
        if not self._probed:
            return
        pairs = zip(rows, answer.outcomes, strict=True)
        known = [each.kind for each, outcome in pairs if outcome.result != RECORD_RESULT_UNKNOWN_KIND]
        upgraded = [kind for kind in self._probed if kind in known]
        if upgraded:
            unpark(self._store, upgraded, UNKNOWN_KIND)
            self._probed = [kind for kind in self._probed if kind not in upgraded]
