"""Sync, upwards: users and loans, as the frontend tells of them. docs/sync.md tells why it is made so.

The newest version of a row wins, so a row that comes twice, late or out of order changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import peewee
from google.protobuf.message import Message

from admin_server.store.models import Book, Frontend, Loan, User
from admin_server.sync.epochs import check_positions, current_epoch, position_revision, position_token
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNCHANGED,
    LoanRecord,
    RecordLoansRequest,
    RecordLoansResponse,
    RecordOutcome,
    RecordUsersRequest,
    RecordUsersResponse,
    UserRecord,
)
from library.v1.user_pb2 import UserState
from library_domain.errors import OtherFrontend
from library_domain.loans import loan_columns
from library_domain.users import user_columns
from service_kit.ids import UUID
from service_kit.logs import logger
from service_kit.message_checks import ENUM_NUMBERS, message_problems
from service_kit.revisions import GREATEST_REVISION, head_revision, is_revision, newest_in, take_revisions
from service_kit.store import Store
from service_kit.validation import joined, unfit_characters

MOST_FINE_UNITS = 1_000_000_000
"""More than any library ever asked for, in any currency, and far less than overflows."""

MOST_RECORD_BYTES = 1_000_000
"""Of a user or a loan: it must be possible to send a row back in one message, which has at most 4 MB."""

MOST_REASON = 500
"""Characters of a reason: the frontend stores and shows no more."""

MOST_ID = 5_000
"""Characters of a refused row's id in its outcome: 100 outcomes must fit into a message, which has at most 4 MB."""

log = logger(__name__)

Row = TypeVar("Row")


def record_users(store: Store, request: RecordUsersRequest) -> RecordUsersResponse:
    """Record users. Raises `OtherFrontend` and `CursorExpired`."""
    check_positions(request)
    with store.writing():
        frontend = _admitted(store, request.frontend_id)
        position_revision(request.receipt, "receipt")
        outcomes = [
            _record(User, row.user.id, row.revision, user_columns(row.user), _user_problem(row))
            for row in request.users
        ]
        newest = _remember_newest(frontend, [row.revision for row in _not_refused(request.users, outcomes)])
        return RecordUsersResponse(outcomes=outcomes, receipt=_receipt(outcomes), newest_revision=newest)


def record_loans(store: Store, request: RecordLoansRequest) -> RecordLoansResponse:
    """Record loans, and count anew the copies that are out of their books.

    Raises `OtherFrontend` and `CursorExpired`.
    """
    check_positions(request)
    with store.writing():
        frontend = _admitted(store, request.frontend_id)
        position_revision(request.receipt, "receipt")
        outcomes = [
            _record(Loan, row.loan.id, row.revision, loan_columns(row.loan), _loan_problem(row))
            for row in request.loans
        ]
        taken = _not_refused(request.loans, outcomes)
        _count_copies_out({row.loan.book_id for row in taken})
        newest = _remember_newest(frontend, [row.revision for row in taken])
        return RecordLoansResponse(outcomes=outcomes, receipt=_receipt(outcomes), newest_revision=newest)


def _record(
    model: type[User] | type[Loan], row_id: str, revision: int, columns: dict[str, object], problem: str
) -> RecordOutcome:
    """Record one row, unless this version or a newer one is recorded already."""
    if problem:
        return RecordOutcome(id=row_id[:MOST_ID], result=RECORD_RESULT_REFUSED, reason=problem)
    changed = (
        model.insert(revision=revision, **columns)
        .on_conflict(
            conflict_target=[model.id],
            update={**{name: value for name, value in columns.items() if name != "id"}, "revision": revision},
            # One that cannot be is of a version of this service that believed any revision.
            where=(model.revision < revision) | (model.revision > GREATEST_REVISION),
        )
        .as_rowcount()
        .execute()
    )
    return RecordOutcome(id=row_id, result=RECORD_RESULT_RECORDED if changed else RECORD_RESULT_UNCHANGED)


def _not_refused(rows: Iterable[Row], outcomes: Iterable[RecordOutcome]) -> list[Row]:
    return [row for row, outcome in zip(rows, outcomes, strict=True) if outcome.result != RECORD_RESULT_REFUSED]


def _user_problem(record: UserRecord) -> str:
    """Why a user cannot be recorded; empty when it can."""
    wrong = _missing(record.user, "id", "email", "state", "create_time")
    if record.user.state in ENUM_NUMBERS and record.user.state not in UserState.values():
        # Of a frontend that is newer than this service: it is stored as it is.
        log.warning("user in a state that is not known here", id=record.user.id, state=record.user.state)
    return _problem(record, record.user, wrong)


def _loan_problem(record: LoanRecord) -> str:
    """Why a loan cannot be recorded; empty when it can."""
    wrong = _missing(record.loan, "id", "book_id", "user_id", "borrow_time", "due_time")
    fine = record.loan.fine
    if not (0 <= fine.units <= MOST_FINE_UNITS and fine.nanos >= 0):
        wrong.append("fine is not an amount of money that could be owed")
    return _problem(record, record.loan, wrong)


def _missing(message: Message, *names: str) -> list[str]:
    present = {field.name for field, _ in message.ListFields()}
    return [f"{name} is not set" for name in names if name not in present]


def _problem(record: UserRecord | LoanRecord, message: Message, wrong: list[str]) -> str:
    """Put into words why a row cannot be recorded. That is for rows which make no sense; anything else has happened.

    What the store could not hold is found here, because there it would fail the rows beside it, at every try.
    """
    if not is_revision(record.revision):
        wrong.append(f"revision {record.revision} is not plausible: it is not from 1 to {GREATEST_REVISION}")
    if record.ByteSize() > MOST_RECORD_BYTES:
        return "; ".join([*wrong, f"the row is larger than {MOST_RECORD_BYTES} bytes"])
    for field, value in message.ListFields():
        if field.name in ("id", "book_id", "user_id") and not UUID.fullmatch(value):
            wrong.append(f"{field.name} is not a UUID")
    found = joined(message_problems(record), unfit_characters(record))
    wrong += [f"{field} {problem}" for field, problem in found]
    return "; ".join(wrong)[:MOST_REASON]


def _admitted(store: Store, frontend_id: str) -> Frontend:
    """The frontend whose rows are taken, held until the transaction ends. The first one to send rows becomes it."""
    Frontend.insert(one=1, id=frontend_id, newest_revision=0).on_conflict_ignore().execute()
    frontend: Frontend = store.locking(Frontend.select()).get()
    if frontend.id != frontend_id:
        raise OtherFrontend(frontend_id=frontend.id, other_frontend_id=frontend_id)
    return frontend


def _remember_newest(frontend: Frontend, revisions: Iterable[int]) -> int:
    known = frontend.newest_revision
    if known != 0 and not is_revision(known):  # of a version of this service that believed any revision
        known = max(newest_in(User.revision), newest_in(Loan.revision))
    newest = max([known, *revisions])
    if newest != frontend.newest_revision:
        frontend.newest_revision = newest
        frontend.save()
    return newest


def _count_copies_out(book_ids: set[str]) -> None:
    """Count the open loans of these books. Counting, not adding up, makes a second delivery harmless."""
    for book_id in sorted(book_ids):  # in one order, so that two transactions cannot wait for each other
        open_loans = Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.book_id == book_id, Loan.return_time.is_null())
        Book.update(on_loan=open_loans).where(Book.id == book_id).execute()


def _receipt(outcomes: list[RecordOutcome]) -> str:
    """A position in this store's history for what was recorded; see `admin_server.sync.epochs` for what it is good for.

    It takes a revision, so that a backup from before it does not reach it; last of all, because that makes others wait.
    """
    recorded = any(outcome.result == RECORD_RESULT_RECORDED for outcome in outcomes)
    revision = take_revisions() if recorded else head_revision()
    # After the revision: a process that starts beside this one may just have begun an epoch.
    return position_token(current_epoch().id, revision)
