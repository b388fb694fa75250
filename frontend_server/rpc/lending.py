"""library.frontend.v1.LendingService."""

from __future__ import annotations

import grpc

from frontend_server.circulation import checkin, checkout, loans, renewal
from frontend_server.circulation.rules import LendingRules
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1 import lending_service_pb2, lending_service_pb2_grpc
from library.v1 import loan_pb2
from service_kit.clock import micros
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

LENDING_SERVICE = lending_service_pb2.DESCRIPTOR.services_by_name["LendingService"]


@instrument_servicer(LENDING_SERVICE, rules={"ReturnBook": [checkin.check_return], "ListLoans": [row_position]})
class LendingServicer(lending_service_pb2_grpc.LendingServiceServicer):
    """library.frontend.v1.LendingService."""

    def __init__(self, store: Store, rules: LendingRules, clock: WatchedClock, sync: Sync) -> None:
        self._store, self._rules, self._clock, self._sync = store, rules, clock, sync

    def BorrowBook(
        self, request: lending_service_pb2.BorrowBookRequest, context: grpc.ServicerContext
    ) -> loan_pb2.Loan:
        loan = checkout.borrow_book(self._store, request, self._rules, self._clock.lending_time)
        self._sync.request_push()
        self._clock.note_time(micros(loan.borrow_time))
        return loan

    def ReturnBook(
        self, request: lending_service_pb2.ReturnBookRequest, context: grpc.ServicerContext
    ) -> loan_pb2.Loan:
        loan = checkin.return_book(self._store, request, self._rules, self._clock.lending_time)
        self._sync.request_push()
        self._clock.note_time(micros(loan.return_time))
        return loan

    def RenewLoan(self, request: lending_service_pb2.RenewLoanRequest, context: grpc.ServicerContext) -> loan_pb2.Loan:
        loan = renewal.renew_loan(self._store, request, self._rules, self._clock.lending_time)
        self._sync.request_push()
        return loan

    def GetLoan(self, request: lending_service_pb2.GetLoanRequest, context: grpc.ServicerContext) -> loan_pb2.Loan:
        return loans.get_loan(self._store, request.id, self._rules, self._clock.now)

    def ListLoans(
        self, request: lending_service_pb2.ListLoansRequest, context: grpc.ServicerContext
    ) -> lending_service_pb2.ListLoansResponse:
        page, token = loans.list_loans(self._store, request, self._rules, self._clock.now)
        return lending_service_pb2.ListLoansResponse(loans=page, next_page_token=token)
