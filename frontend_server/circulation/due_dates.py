"""Moving the due dates of many loans, for example after a day was closed that was open before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.loan_fines import shown_loan
from frontend_server.circulation.loans import Changes
from frontend_server.circulation.outcomes import tried
from frontend_server.circulation.policy import Policy
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Loan, lock_sync_state
from library.frontend.v1.circulation_service_pb2 import MoveDueDatesRequest, MoveDueDatesResponse
from library.v1.history_pb2 import HISTORY_EVENT_DUE_TIME_MOVED
from library_domain.default_policy import MAIN_BRANCH
from library_domain.local_dates import date_of_message
from service_kit.clock import DAY, Clock
from service_kit.errors import FieldInvalid
from service_kit.idempotency import once
from service_kit.statements import Statement, param
from service_kit.store import Store

MOST_MOVED = 1_000
"""Loans that a call moves."""

BATCH = 2_000
"""Loans that are read at a time."""

MOVE = Statement(Loan.update(due_time=param("due_time"), days=param("days")).where(Loan.id == param("loan_id")))


@dataclass(frozen=True)
class Move:
    """Which loans are moved, and to which date."""

    branch: str
    first_date: date
    last_date: date
    new_date: date | None
    """None: for each loan the next open day of its branch."""


def move_of(request: MoveDueDatesRequest) -> Move:
    """Return what a request asks for. Raises `FieldInvalid` for dates that are not dates, or in a wrong order."""
    dates: dict[str, date] = {}
    problems = []
    for field in ("first_date", "last_date", "new_date"):
        try:
            if request.HasField(field):
                dates[field] = date_of_message(getattr(request, field))
        except ValueError:
            problems.append((field, "is not a date"))
    first, last, new = (dates.get(field) for field in ("first_date", "last_date", "new_date"))
    if first and last and last < first:
        problems.append(("last_date", "must not be before first_date"))
    if last and new and new <= last:
        problems.append(("new_date", "must be after last_date"))
    if problems:
        raise FieldInvalid(*problems)
    return Move(request.branch, first or date.min, last or date.min, new)  # the contract requires both


def move_due_dates(
    store: Store, request: MoveDueDatesRequest, rules: LendingRules, clock: Clock
) -> MoveDueDatesResponse:
    """Move the due dates of open loans, or only return what would be moved."""
    move = move_of(request)

    def work() -> MoveDueDatesResponse:
        lock_sync_state(store)  # many loans are locked
        policy, changes = current_policy(rules), Changes(clock(), request.staff)
        if move.new_date and move.new_date < policy.branch(move.branch or MAIN_BRANCH).date_of(changes.time):
            raise FieldInvalid(("new_date", "must not be in the past"))
        answer = MoveDueDatesResponse()
        for loan, due_date in _loans_to_move(store, move, policy, changes.time):
            if len(answer.loans) == MOST_MOVED:
                answer.has_more = True
                break
            branch = policy.branch_of_loan(loan.branch, loan.time_zone)
            loan.due_time = branch.end_of(due_date)
            loan.days = (due_date - branch.date_of(loan.borrow_time)).days
            MOVE.rows(loan_id=loan.id, due_time=loan.due_time, days=loan.days)
            changes.loan(loan.id)
            changes.event(HISTORY_EVENT_DUE_TIME_MOVED, loan, f"due {due_date}")
            answer.loans.append(shown_loan(loan, policy, changes.time))
        answer.moved_count = len(answer.loans)
        changes.write()
        return answer

    return tried(store, work) if request.validate_only else once(store, request, MoveDueDatesResponse, work, clock)


def _loans_to_move(store: Store, move: Move, policy: Policy, now: int) -> Iterator[tuple[Loan, date]]:
    """Yield the loans that become due later, today at the earliest, oldest first, each locked and with its new date."""
    last_key = 0
    while loans := list(store.locking(_candidates(move, last_key))):
        last_key = loans[-1].key
        for loan in loans:
            branch = policy.branch_of_loan(loan.branch, loan.time_zone)
            due_date = branch.date_of(loan.due_time)
            if move.first_date <= due_date <= move.last_date:
                new_date = move.new_date or branch.calendar.next_open(due_date) or due_date
                if new_date > due_date and new_date >= branch.date_of(now):
                    yield loan, new_date


def _candidates(move: Move, last_key: int) -> Any:
    """Return the query for open loans that can be due on these dates, in any time zone."""
    epoch = date(1970, 1, 1)
    begin, end = (
        (move.first_date - epoch - timedelta(days=1)).days * DAY,
        (move.last_date - epoch + timedelta(days=2)).days * DAY,
    )
    conditions = [Loan.key > last_key, Loan.return_time.is_null(), Loan.due_time.between(begin, end)]
    if move.branch:
        conditions.append(Loan.branch == move.branch)
    return Loan.select().where(*conditions).order_by(Loan.key).limit(BATCH)
