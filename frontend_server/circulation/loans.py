"""Reading loans, and writing what a transaction has changed about them: a revision for the push, and the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from frontend_server.circulation.copies import ItemMoved
from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.loan_fines import shown_loan
from frontend_server.circulation.rules import LendingRules
from frontend_server.history.entries import record
from frontend_server.store.models import IS_OPEN_OF_ITEM, Loan, lock_sync_state
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library.v1.history_pb2 import HistoryEvent
from library_domain.errors import LoanNotFound
from library_domain.loans import loan_conditions
from service_kit.clock import Clock
from service_kit.idempotency import Answer, once
from service_kit.paging import page
from service_kit.revisions import take_revisions
from service_kit.row_lists import list_rows
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store
from service_kit.unreadable import readable

MARK_FOR_PUSH = Statement(
    Loan.update(revision=param("revision"), park_reason="").where(Loan.id == param("loan_id"))
)  # fmt: skip


def get_loan(store: Store, loan_id: str, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Return a loan, returned or not. Raises `LoanNotFound`."""
    with store.reading(), readable("loan", loan_id):
        return shown_loan(loan_row(loan_id), current_policy(rules), clock())


def list_loans(
    store: Store, request: ListLoansRequest, rules: LendingRules, clock: Clock
) -> tuple[list[loan_pb2.Loan], str]:
    """Return a page of loans, oldest first or in the order of their ids, and the token of the next page."""
    now = clock()
    with store.reading():
        rows = list_rows(Loan, request, loan_conditions(Loan, request, now), request.id_prefix)
        policy = current_policy(rules)
        return page(request, rows, lambda row: shown_loan(row, policy, now), lambda row: row.key)


def loan_shower(rules: LendingRules, clock: Clock) -> Callable[[Loan], loan_pb2.Loan]:
    """Return a function that converts a row within a transaction, with the fine so far."""
    return lambda loan: shown_loan(loan, current_policy(rules), clock())


def loan_row(loan_id: str) -> Loan:
    """Return the row of a loan. Raises `LoanNotFound`."""
    loan: Loan | None = Loan.get_or_none(Loan.id == loan_id)
    if loan is None:
        raise LoanNotFound(loan_id=loan_id)
    return loan


def locked_loan(store: Store, *conditions: Any) -> Loan | None:
    """Lock a loan that meets the conditions, among them its id or key, until the transaction ends; None if it does not.

    On PostgreSQL it waits for a transaction that changes this loan, and then looks at the conditions again.
    """
    loans: list[Loan] = list(store.locking(Loan.select().where(*conditions)))
    return loans[0] if loans else None


def oldest_open_loan(store: Store, *conditions: Any) -> Loan | None:
    """Lock the oldest open loan that meets the conditions; None if there is none."""
    found = Loan.select(Loan.key).where(*conditions, Loan.return_time.is_null()).order_by(Loan.key).limit(1)
    while keys := tuples(found):
        loan = locked_loan(store, Loan.key == keys[0][0], *conditions, Loan.return_time.is_null())
        if loan is not None:
            return loan
    return None


def open_loan_of_item(store: Store, item_id: str) -> Loan | None:
    """Lock the open loan of an item; None if it has none."""
    return oldest_open_loan(store, Loan.item_id == item_id, IS_OPEN_OF_ITEM)


def is_open_loan_of_item(item_id: str) -> bool:
    """Return whether a user has an item."""
    return Loan.select().where(Loan.item_id == item_id, IS_OPEN_OF_ITEM).exists()


def done_once(
    store: Store, request: Any, answer_type: type[Answer], work: Callable[[bool], Answer], clock: Clock
) -> Answer:
    """Do the work of a request as `once` does. If an item of its loan is of another book by now, do it alone.

    `work` takes whether it is done alone: then `sync_state` is locked.
    """

    def work_alone() -> Answer:
        lock_sync_state(store)
        return work(True)

    try:
        return once(store, request, answer_type, lambda: work(False), clock)
    except ItemMoved:
        return once(store, request, answer_type, work_alone, clock)


@dataclass
class Changes:
    """What a transaction changes, for the push and the history. Its revisions are taken at the end, all at once."""

    time: int
    staff: str = ""
    alone: bool = False
    """Whether `sync_state` is locked, so that rows of several books may be."""
    _loans: list[str] = field(default_factory=list)
    _events: list[tuple[HistoryEvent.ValueType, dict[str, Any]]] = field(default_factory=list)

    def loan(self, loan_id: str) -> None:
        """Note that a loan was changed."""
        self._loans.append(loan_id)

    def event(
        self,
        event: HistoryEvent.ValueType,
        loan: Loan,
        detail: str = "",
        overridden: Mapping[str, str] | None = None,
    ) -> None:
        """Note what was done with a loan."""
        subjects = {name: getattr(loan, name) for name in ("user_id", "item_id", "book_id")}
        self._events.append((event, {**subjects, "loan_id": loan.id, "detail": detail, "overridden": overridden}))

    def item_event(self, event: HistoryEvent.ValueType, item_id: str, book_id: str) -> None:
        """Note what was done with an item that is not on loan."""
        self._events.append((event, {"item_id": item_id, "book_id": book_id}))

    def write(self, *, inserts: int = 0) -> int:
        """Take the revisions and write them; return the first of those for rows that the caller inserts."""
        first = take_revisions(inserts + len(self._loans) + len(self._events))
        revision = first + inserts
        for loan_id in self._loans:
            MARK_FOR_PUSH.rows(loan_id=loan_id, revision=revision)
            revision += 1
        for event, values in self._events:
            record(event, self.time, revision, staff=self.staff, **values)
            revision += 1
        return first
