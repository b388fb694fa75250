"""library.admin.v1.LoanService."""

from __future__ import annotations

import grpc

from admin_server.books import listing
from admin_server.reports.loans import list_loans
from library.admin.v1 import loan_service_pb2, loan_service_pb2_grpc
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = loan_service_pb2.DESCRIPTOR.services_by_name["LoanService"]


@instrument_servicer(SERVICE, rules={"ListLoans": [row_position], "ListUnavailableBooks": [row_position]})
class LoanServicer(loan_service_pb2_grpc.LoanServiceServicer):
    """library.admin.v1.LoanService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def ListLoans(
        self, request: loan_service_pb2.ListLoansRequest, context: grpc.ServicerContext
    ) -> loan_service_pb2.ListLoansResponse:
        loans, token = list_loans(self._store, request, self._clock)
        return loan_service_pb2.ListLoansResponse(loans=loans, next_page_token=token)

    def ListUnavailableBooks(
        self, request: loan_service_pb2.ListUnavailableBooksRequest, context: grpc.ServicerContext
    ) -> loan_service_pb2.ListUnavailableBooksResponse:
        books, token = listing.list_unavailable_books(self._store, request)
        return loan_service_pb2.ListUnavailableBooksResponse(books=books, next_page_token=token)
