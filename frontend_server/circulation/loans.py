"""Reading loans, and marking a changed loan for the push."""

from __future__ import annotations

from frontend_server.store.models import Loan
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library_domain.errors import LoanNotFound
from library_domain.loans import loan_conditions, loan_message
from service_kit.clock import Clock
from service_kit.paging import page
from service_kit.revisions import take_revisions
from service_kit.row_lists import list_rows
from service_kit.store import Store
from service_kit.unreadable import readable


def get_loan(store: Store, loan_id: str, clock: Clock) -> loan_pb2.Loan:
    """Return a loan, returned or not. Raises `LoanNotFound`."""
    with store.reading(), readable("loan", loan_id):
        return loan_message(loan_row(loan_id), clock())


def list_loans(store: Store, request: ListLoansRequest, clock: Clock) -> tuple[list[loan_pb2.Loan], str]:
    """Return a page of loans, oldest first or in the order of their ids, and the token of the next page."""
    now = clock()
    with store.reading():
        rows = list_rows(Loan, request, loan_conditions(Loan, request, now), request.id_prefix)
    return page(request, rows, lambda row: loan_message(row, now), lambda row: row.key)


def loan_row(loan_id: str) -> Loan:
    """Return the row of a loan. Raises `LoanNotFound`."""
    loan: Loan | None = Loan.get_or_none(Loan.id == loan_id)
    if loan is None:
        raise LoanNotFound(loan_id=loan_id)
    return loan


def mark_for_push(loan_id: str) -> Loan:
    """Set a new revision of a loan that this transaction has changed, so that it is pushed, and return its row."""
    Loan.update(revision=take_revisions(), park_reason="").where(Loan.id == loan_id).execute()
    return loan_row(loan_id)
