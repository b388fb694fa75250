"""The calls to the services that reports make. All raise grpc.RpcError."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import grpc
from google.type.money_pb2 import Money

from library.admin.v1.branch_service_pb2 import GetBranchRequest
from library.admin.v1.branch_service_pb2_grpc import BranchServiceStub
from library.admin.v1.report_service_pb2 import (
    LentBook,
    ListLoanCountsRequest,
    ListMostLentBooksRequest,
    ListNeverLentBooksRequest,
    ListOpenLoansRequest,
    LoanCount,
    OpenLoan,
)
from library.admin.v1.report_service_pb2_grpc import ReportServiceStub
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import LOAN_STATE_OVERDUE
from library_cli.channel import ANSWER_SECONDS, connected, pages
from library_cli.desk.calls import Desk
from library_domain.default_policy import MAIN_BRANCH
from library_domain.local_dates import time_zone_or_none
from service_kit.machine_zone import machine_zone

PAGE_SIZE = 500

PAGE_SECONDS = 60.0
"""Deadline of one page: some reports count all loans."""


class Reports:
    """The reports of an admin service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._reports = ReportServiceStub(channel)
        self._branches = BranchServiceStub(channel)

    def open_loans(self, **filters: Any) -> Iterator[OpenLoan]:
        request = ListOpenLoansRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self._reports.ListOpenLoans, request, PAGE_SECONDS):
            yield from page.loans

    def most_lent(self, **filters: Any) -> Iterator[LentBook]:
        request = ListMostLentBooksRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self._reports.ListMostLentBooks, request, PAGE_SECONDS):
            yield from page.books

    def never_lent(self) -> Iterator[Book]:
        request = ListNeverLentBooksRequest(page_size=PAGE_SIZE)
        for page in pages(self._reports.ListNeverLentBooks, request, PAGE_SECONDS):
            yield from page.books

    def counts(self, **filters: Any) -> Iterator[LoanCount]:
        request = ListLoanCountsRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self._reports.ListLoanCounts, request, PAGE_SECONDS):
            yield from page.counts

    def zone(self, branch: str) -> ZoneInfo:
        """Return the time zone of a branch; for "" that of the main branch. An unknown branch raises grpc.RpcError."""
        for code in dict.fromkeys((branch or MAIN_BRANCH, MAIN_BRANCH)):
            found = self._branches.GetBranch(GetBranchRequest(code=code), timeout=ANSWER_SECONDS)
            if zone := found.time_zone and time_zone_or_none(found.time_zone):
                return zone
        return machine_zone()


def fines_so_far(target: str) -> Mapping[str, Money]:
    """Return the fines of the overdue loans by their ids, which only the frontend computes. Raises CallFailed."""
    with connected(target) as channel:
        overdue = Desk(channel).loans(state=LOAN_STATE_OVERDUE)
        return {loan.id: loan.fine_so_far for loan in overdue if loan.HasField("fine_so_far")}
