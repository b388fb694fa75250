"""All loans, as far as the frontend has reported."""

from __future__ import annotations

from admin_server.store.models import Loan
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library_domain import loans
from service_kit.clock import Clock
from service_kit.store import Store


def list_loans(store: Store, request: ListLoansRequest, clock: Clock) -> tuple[list[loan_pb2.Loan], str]:
    """A page of loans and the token of the next."""
    with store.reading():
        return loans.list_loans(Loan, request, clock())
