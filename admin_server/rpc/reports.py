"""library.admin.v1.ReportService."""

from __future__ import annotations

import grpc

from admin_server.reports import book_ranks, history, loan_counts, open_loans
from library.admin.v1 import report_service_pb2, report_service_pb2_grpc
from library_domain.history import subject_of
from service_kit.clock import Clock
from service_kit.message_checks import check_values
from service_kit.paging import position, row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store
from service_kit.validation import Rule

SERVICE = report_service_pb2.DESCRIPTOR.services_by_name["ReportService"]

RULES: dict[str, list[Rule]] = {
    "ListOpenLoans": [check_values, open_loans.open_loans_position],
    "ListMostLentBooks": [check_values, book_ranks.rank_position],
    "ListNeverLentBooks": [row_position],
    "ListLoanCounts": [check_values, position],
    "ListHistory": [subject_of, row_position],
}


@instrument_servicer(SERVICE, rules=RULES)
class ReportServicer(report_service_pb2_grpc.ReportServiceServicer):
    """library.admin.v1.ReportService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def ListOpenLoans(
        self, request: report_service_pb2.ListOpenLoansRequest, context: grpc.ServicerContext
    ) -> report_service_pb2.ListOpenLoansResponse:
        loans, token = open_loans.list_open_loans(self._store, request, self._clock)
        return report_service_pb2.ListOpenLoansResponse(loans=loans, next_page_token=token)

    def ListMostLentBooks(
        self, request: report_service_pb2.ListMostLentBooksRequest, context: grpc.ServicerContext
    ) -> report_service_pb2.ListMostLentBooksResponse:
        books, token = book_ranks.list_most_lent_books(self._store, request)
        return report_service_pb2.ListMostLentBooksResponse(books=books, next_page_token=token)

    def ListNeverLentBooks(
        self, request: report_service_pb2.ListNeverLentBooksRequest, context: grpc.ServicerContext
    ) -> report_service_pb2.ListNeverLentBooksResponse:
        books, token = book_ranks.list_never_lent_books(self._store, request)
        return report_service_pb2.ListNeverLentBooksResponse(books=books, next_page_token=token)

    def ListLoanCounts(
        self, request: report_service_pb2.ListLoanCountsRequest, context: grpc.ServicerContext
    ) -> report_service_pb2.ListLoanCountsResponse:
        counts, token = loan_counts.list_loan_counts(self._store, request)
        return report_service_pb2.ListLoanCountsResponse(counts=counts, next_page_token=token)

    def ListHistory(
        self, request: report_service_pb2.ListHistoryRequest, context: grpc.ServicerContext
    ) -> report_service_pb2.ListHistoryResponse:
        entries, token = history.list_history(self._store, request)
        return report_service_pb2.ListHistoryResponse(entries=entries, next_page_token=token)
