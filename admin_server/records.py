"""Sync, upwards: users and loans, as the frontend tells of them. docs/sync.md tells why it is made so.

The newest version of a row wins, so a row that comes twice, late or out of order changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import peewee
from google.protobuf.message import Message

from admin_server.epochs import current_epoch, position_revision, position_token
from admin_server.store.models import Book, Frontend, Loan, User
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
from library_domain.errors import OtherFrontend
from library_domain.loans import loan_columns
from library_domain.users import user_columns
from service_kit.revisions import head_revision, take_revisions
from service_kit.store import Store
from service_kit.validation import problems


def record_users(store: Store, request: RecordUsersRequest) -> RecordUsersResponse:
    """Record users. Raises `OtherFrontend` and `CursorExpired`."""
    with store.writing():
        frontend = _admitted(store, request.frontend_id)
        position_revision(request.receipt, "receipt")
        outcomes = [
            _record(User, row.user.id, row.revision, user_columns(row.user), _user_problem(row))
            for row in request.users
        ]
        newest = _remember_newest(frontend, [row.revision for row in request.users])
        return RecordUsersResponse(outcomes=outcomes, receipt=_receipt(outcomes), newest_revision=newest)


def record_loans(store: Store, request: RecordLoansRequest) -> RecordLoansResponse:
    """Record loans, and count anew the copies that are out of their books.

    Raises `OtherFrontend` and `CursorExpired`.
    """
    with store.writing():
        frontend = _admitted(store, request.frontend_id)
        position_revision(request.receipt, "receipt")
        outcomes = [
            _record(Loan, row.loan.id, row.revision, loan_columns(row.loan), _loan_problem(row))
            for row in request.loans
        ]
        _count_copies_out({row.loan.book_id for row in request.loans})
        newest = _remember_newest(frontend, [row.revision for row in request.loans])
        return RecordLoansResponse(outcomes=outcomes, receipt=_receipt(outcomes), newest_revision=newest)


def accept_frontend(store: Store, frontend_id: str) -> None:
    """Take the users and loans of this frontend from now on, and of no other: an operator's decision."""
    with store.writing():
        Frontend.delete().execute()
        Frontend.create(id=frontend_id, newest_revision=0)


def _record(
    model: type[User] | type[Loan], row_id: str, revision: int, columns: dict[str, object], problem: str
) -> RecordOutcome:
    """Record one row, unless this version or a newer one is recorded already."""
    if problem:
        return RecordOutcome(id=row_id, result=RECORD_RESULT_REFUSED, reason=problem)
    changed = (
        model.insert(revision=revision, **columns)
        .on_conflict(
            conflict_target=[model.id],
            update={**{name: value for name, value in columns.items() if name != "id"}, "revision": revision},
            where=model.revision < revision,
        )
        .as_rowcount()
        .execute()
    )
    return RecordOutcome(id=row_id, result=RECORD_RESULT_RECORDED if changed else RECORD_RESULT_UNCHANGED)


def _user_problem(record: UserRecord) -> str:
    """Why a user cannot be recorded; empty when it can."""
    user = record.user
    missing = [name for name in ("id", "email", "state", "create_time") if not _is_set(user, name)]
    return _problem(record, missing)


def _loan_problem(record: LoanRecord) -> str:
    """Why a loan cannot be recorded; empty when it can."""
    loan = record.loan
    missing = [name for name in ("id", "book_id", "user_id", "borrow_time", "due_time") if not _is_set(loan, name)]
    return _problem(record, missing)


def _is_set(message: Message, name: str) -> bool:
    return any(field.name == name for field, _ in message.ListFields())


def _problem(record: UserRecord | LoanRecord, missing: list[str]) -> str:
    """Put into words why a row cannot be recorded. That is for rows which make no sense; anything else has happened."""
    wrong = [f"{name} is not set" for name in missing]
    if record.revision < 1:
        wrong.append("revision is not positive")
    wrong += [f"{field} {problem}" for field, problem in problems(record)]
    return "; ".join(wrong)


def _admitted(store: Store, frontend_id: str) -> Frontend:
    """The frontend whose rows are taken, held until the transaction ends. The first one to send rows becomes it."""
    Frontend.insert(one=1, id=frontend_id, newest_revision=0).on_conflict_ignore().execute()
    query = Frontend.select()
    frontend: Frontend = (query.for_update() if store.is_postgresql else query).get()
    if frontend.id != frontend_id:
        raise OtherFrontend(frontend_id=frontend.id, other_frontend_id=frontend_id)
    return frontend


def _remember_newest(frontend: Frontend, revisions: Iterable[int]) -> int:
    newest = max(frontend.newest_revision, *revisions)
    if newest > frontend.newest_revision:
        frontend.newest_revision = newest
        frontend.save()
    return newest


def _count_copies_out(book_ids: set[str]) -> None:
    """Count the open loans of these books. Counting, not adding up, makes a second delivery harmless."""
    for book_id in sorted(book_ids):  # in one order, so that two transactions cannot wait for each other
        open_loans = Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.book_id == book_id, Loan.return_time.is_null())
        Book.update(on_loan=open_loans).where(Book.id == book_id).execute()


def _receipt(outcomes: list[RecordOutcome]) -> str:
    """A position in this store's history for what was recorded; see `admin_server.epochs` for what it is good for.

    It takes a revision, so that a backup from before it does not reach it; last of all, because that makes others wait.
    """
    recorded = any(outcome.result == RECORD_RESULT_RECORDED for outcome in outcomes)
    revision = take_revisions() if recorded else head_revision()
    # After the revision: a process that starts beside this one may just have begun an epoch.
    return position_token(current_epoch().id, revision)
