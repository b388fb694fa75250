"""Sync, upwards: records the rows that the frontend pushes. docs/sync.md explains why it is done so.

The newest version of a row wins, so a row that comes twice, late or out of order changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from admin_server.store.models import Frontend
from admin_server.sync.epochs import check_positions, current_epoch, decode_cursor, encode_cursor
from admin_server.sync.recorded_kinds import RECORDED_KINDS, RecordedKind
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNCHANGED,
    RECORD_RESULT_UNKNOWN_KIND,
    RecordOutcome,
    RecordStatesRequest,
    RecordStatesResponse,
    State,
)
from library_domain.errors import OtherFrontend
from service_kit.ids import UUID
from service_kit.logs import logger
from service_kit.message_checks import ENUM_NUMBERS, message_problems
from service_kit.revisions import GREATEST_REVISION, head_revision, is_revision, newest_in, take_revisions
from service_kit.store import Store
from service_kit.validation import joined, unfit_characters

MOST_RECORD_BYTES = 1_000_000
"""Of a row: it must be possible to send it back in one message, which has at most 4 MB."""

MOST_REASON = 500
"""Characters of a reason: the frontend stores and shows no more."""

MOST_ID = 5_000
"""Characters of a refused row's id in its outcome: 100 outcomes must fit into a message, which has at most 4 MB."""

log = logger(__name__)


class _Recorded(NamedTuple):
    """What became of a row; `message` is None unless it is recorded now or was before."""

    outcome: RecordOutcome
    kind: str = ""
    message: Any = None
    revision: int = 0


def record_states(
    store: Store, request: RecordStatesRequest, kinds: Sequence[RecordedKind] = RECORDED_KINDS
) -> RecordStatesResponse:
    """Record rows, each unless this or a newer version of it is recorded. Raises `OtherFrontend` or `CursorExpired`.

    No row is recorded if another copy of the frontend's store has pushed rows since the starts that the request names.
    """
    check_positions(request)
    kind_by_name = {kind.name: kind for kind in kinds}
    with store.writing():
        frontend = _admitted(store, request.frontend_id)
        decode_cursor(request.receipt, "receipt")
        if not _continues(frontend, request.start_ids):
            return RecordStatesResponse(receipt=_receipt([]), start_id=frontend.start_id)
        rows = [_record(state, kind_by_name) for state in request.states]
        for kind in kinds:
            if messages := [row.message for row in rows if row.kind == kind.name]:
                kind.after_recording(messages)
        newest = _remember_newest(frontend, [row.revision for row in rows], kinds)
        outcomes = [row.outcome for row in rows]
        return RecordStatesResponse(
            outcomes=outcomes, receipt=_receipt(outcomes), newest_revision=newest, start_id=frontend.start_id
        )


def _record(state: State, kinds: Mapping[str, RecordedKind]) -> _Recorded:
    kind = kinds.get(state.WhichOneof("state") or "")
    if kind is None:
        return _Recorded(_outcome_without_kind(state))
    message = getattr(state, kind.name)
    problem = _problem(kind, state, message)
    if problem:
        return _Recorded(RecordOutcome(id=message.id[:MOST_ID], result=RECORD_RESULT_REFUSED, reason=problem))
    _log_unknown_enum_values(kind, message)
    columns = kind.columns(message)
    changed = (
        kind.model.insert(revision=state.revision, **columns)
        .on_conflict(
            conflict_target=[kind.model.id],
            update={**{name: value for name, value in columns.items() if name != "id"}, "revision": state.revision},
            # An earlier version of this service stored any revision. One that is out of range is replaced.
            where=(kind.model.revision < state.revision) | (kind.model.revision > GREATEST_REVISION),
        )
        .as_rowcount()
        .execute()
    )
    result = RECORD_RESULT_RECORDED if changed else RECORD_RESULT_UNCHANGED
    return _Recorded(RecordOutcome(id=message.id, result=result), kind.name, message, state.revision)


def _outcome_without_kind(state: State) -> RecordOutcome:
    """Distinguish a row of a newer frontend, which is an unknown field, from the empty one of a broken frontend."""
    if len(UnknownFieldSet(state)) or state.WhichOneof("state"):
        return RecordOutcome(result=RECORD_RESULT_UNKNOWN_KIND)
    return RecordOutcome(result=RECORD_RESULT_REFUSED, reason="state is not set")


def _problem(kind: RecordedKind, state: State, message: Any) -> str:
    """Return why a row cannot be recorded; empty when it can. Refuse rows that make no sense; all others are facts.

    A value that the store cannot keep has to be found here. There it would fail the whole batch, at every try.
    """
    present = {field.name for field, _ in message.ListFields()}
    wrong = [f"{name} is not set" for name in (*kind.ids, *kind.required) if name not in present]
    wrong += kind.problems(message)
    if not is_revision(state.revision):
        wrong.append(f"revision {state.revision} is not plausible: it is not from 1 to {GREATEST_REVISION}")
    if state.ByteSize() > MOST_RECORD_BYTES:
        return "; ".join([*wrong, f"the row is larger than {MOST_RECORD_BYTES} bytes"])
    for name in kind.ids:
        if name in present and not UUID.fullmatch(getattr(message, name)):
            wrong.append(f"{name} is not a UUID")
    found = joined(message_problems(state), unfit_characters(state))
    wrong += [f"{field} {problem}" for field, problem in found]
    return "; ".join(wrong)[:MOST_REASON]


def _log_unknown_enum_values(kind: RecordedKind, message: Message) -> None:
    """Log values of enums that a newer frontend knows and this service does not: they are recorded as they are."""
    for field, value in message.ListFields():
        if field.enum_type is not None and value in ENUM_NUMBERS and value not in field.enum_type.values_by_number:
            log.warning("unknown value of an enum", kind=kind.name, field=field.name, value=value)


def _admitted(store: Store, frontend_id: str) -> Frontend:
    """Lock and return the frontend whose rows are recorded. The first one to send rows becomes it."""
    Frontend.insert(one=1, id=frontend_id, newest_revision=0).on_conflict_ignore().execute()
    frontend: Frontend = store.locking(Frontend.select()).get()
    if frontend.id != frontend_id:
        raise OtherFrontend(frontend_id=frontend.id, other_frontend_id=frontend_id)
    return frontend


def _continues(frontend: Frontend, start_ids: Sequence[str]) -> bool:
    """Return whether the recorded start is one of these, and record the last one. Older frontends send none."""
    if start_ids and start_ids[-1] != frontend.start_id:
        if frontend.start_id not in ("", *start_ids):
            return False
        frontend.start_id = start_ids[-1]
        frontend.save()
    return True


def _remember_newest(frontend: Frontend, revisions: Iterable[int], kinds: Sequence[RecordedKind]) -> int:
    known = frontend.newest_revision
    if known != 0 and not is_revision(known):  # an earlier version of this service stored any revision
        known = max(newest_in(kind.model.revision) for kind in kinds)
    newest = max([known, *revisions])
    if newest != frontend.newest_revision:
        frontend.newest_revision = newest
        frontend.save()
    return newest


def _receipt(outcomes: Sequence[RecordOutcome]) -> str:
    """Return a position in this store's history at which these rows are recorded: see `admin_server.sync.epochs`.

    It takes a revision, so that a backup from before it does not reach it; last of all, because that makes others wait.
    """
    recorded = any(outcome.result == RECORD_RESULT_RECORDED for outcome in outcomes)
    revision = take_revisions() if recorded else head_revision()
    # After the revision: a process that starts alongside this one may just have begun an epoch.
    return encode_cursor(current_epoch().id, revision)
