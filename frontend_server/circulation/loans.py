"""Loans as they are read, and what each change of one does."""

from __future__ import annotations

from frontend_server.store.models import Loan
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library_domain import loans
from library_domain.errors import LoanNotFound
from library_domain.loans import loan_message
from service_kit.clock import Clock
from service_kit.revisions import take_revisions
from service_kit.store import Store
from service_kit.unreadable import readable


def get_loan(store: Store, loan_id: str, clock: Clock) -> loan_pb2.Loan:
    """Get a loan."""
    with store.reading(), readable("loan", loan_id):
        return loan_message(stored_loan(loan_id), clock())


def list_loans(store: Store, request: ListLoansRequest, clock: Clock) -> tuple[list[loan_pb2.Loan], str]:
    """A page of loans, oldest first, and the token of the next."""
    with store.reading():
        return loans.list_loans(Loan, request, clock(), request.id_prefix)


def stored_loan(loan_id: str) -> Loan:
    """Read a loan. Raises `LoanNotFound`."""
    loan: Loan | None = Loan.get_or_none(Loan.id == loan_id)
    if loan is None:
        raise LoanNotFound(loan_id=loan_id)
    return loan


def changed_loan(loan_id: str) -> Loan:
    """Make a loan that this transaction changed due for pushing, and return it."""
    Loan.update(revision=take_revisions(), park_reason="").where(Loan.id == loan_id).execute()
    return stored_loan(loan_id)
