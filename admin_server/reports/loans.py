"""All loans, as far as the frontend has reported."""

from __future__ import annotations

from admin_server.store.models import Loan
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.v1 import loan_pb2
from library_domain.loans import loan_conditions, loan_message
from service_kit.clock import Clock
from service_kit.paging import page
from service_kit.row_lists import list_rows
from service_kit.store import Store


def list_loans(store: Store, request: ListLoansRequest, clock: Clock) -> tuple[list[loan_pb2.Loan], str]:
    """Return a page of loans and the token of the next page."""
    now = clock()
    with store.reading():
        rows = list_rows(Loan, request, loan_conditions(Loan, request, now))
    return page(request, rows, lambda row: loan_message(row, now), lambda row: row.key)
