"""The frontend's servicers. `instrument_servicer` checks the requests and turns errors into statuses."""

from __future__ import annotations

import grpc

from frontend_server import catalog, lending, members
from frontend_server.lending import LendingRules
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    lending_service_pb2,
    lending_service_pb2_grpc,
    member_service_pb2,
    member_service_pb2_grpc,
    sync_service_pb2,
    sync_service_pb2_grpc,
)
from library.v1 import book_pb2, loan_pb2, user_pb2
from library_domain.search import check_query
from library_domain.users import check_user_query
from service_kit.clock import micros
from service_kit.id_prefixes import check_id_prefix
from service_kit.paging import position, row_position
from service_kit.search import check_place
from service_kit.server import Service
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

# ruff: noqa: D102 - the methods are named and documented in the contract

_MEMBERS = member_service_pb2.DESCRIPTOR.services_by_name["MemberService"]
_CATALOG = catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"]
_LENDING = lending_service_pb2.DESCRIPTOR.services_by_name["LendingService"]
LENDING_SERVICE: str = _LENDING.full_name
_SYNC = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]
WRITING_SERVICES: tuple[str, ...] = (_MEMBERS.full_name, LENDING_SERVICE, _SYNC.full_name)
"""Those that do not serve while the store cannot be written, though they answer what only reads."""


@instrument_servicer(
    _MEMBERS,
    rules={
        "EnrollUser": [members.check_enrolment],
        "ListUsers": [check_user_query, check_id_prefix, row_position],
        "UpdateUser": [members.check_update],
    },
)
class MemberServicer(member_service_pb2_grpc.MemberServiceServicer):
    """library.frontend.v1.MemberService."""

    def __init__(self, store: Store, clock: WatchedClock, sync: Sync) -> None:
        self._store, self._clock, self._sync = store, clock, sync

    def EnrollUser(self, request: member_service_pb2.EnrollUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        user = members.enroll_user(self._store, request, self._clock.now)
        self._sync.something_to_push()
        self._clock.saw(micros(user.create_time))
        return user

    def GetUser(self, request: member_service_pb2.GetUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return members.get_user(self._store, request.id)

    def ListUsers(
        self, request: member_service_pb2.ListUsersRequest, context: grpc.ServicerContext
    ) -> member_service_pb2.ListUsersResponse:
        users, token = members.list_users(self._store, request)
        return member_service_pb2.ListUsersResponse(users=users, next_page_token=token)

    def UpdateUser(self, request: member_service_pb2.UpdateUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        user = members.update_user(self._store, request, self._clock.now)
        self._sync.something_to_push()
        self._clock.saw(micros(user.update_time))
        return user

    def CloseUser(self, request: member_service_pb2.CloseUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        user = members.close_user(self._store, request, self._clock.now)
        self._sync.something_to_push()
        self._clock.saw(micros(user.update_time))
        return user


@instrument_servicer(
    _CATALOG,
    rules={
        "ListBooks": [check_query, check_id_prefix, check_place],
        "ListPublishers": [position],
        "ListCategories": [position],
    },
)
class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """library.frontend.v1.CatalogService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ListBooks(
        self, request: catalog_service_pb2.ListBooksRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListBooksResponse:
        return catalog.list_books(self._store, request)

    def GetBook(self, request: catalog_service_pb2.GetBookRequest, context: grpc.ServicerContext) -> book_pb2.Book:
        return catalog.get_book(self._store, request.id)

    def ListPublishers(
        self, request: catalog_service_pb2.ListPublishersRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListPublishersResponse:
        publishers, token = catalog.list_publishers(self._store, request)
        return catalog_service_pb2.ListPublishersResponse(publishers=publishers, next_page_token=token)

    def ListCategories(
        self, request: catalog_service_pb2.ListCategoriesRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListCategoriesResponse:
        categories, token = catalog.list_categories(self._store, request)
        return catalog_service_pb2.ListCategoriesResponse(categories=categories, next_page_token=token)


@instrument_servicer(_LENDING, rules={"ListLoans": [row_position]})
class LendingServicer(lending_service_pb2_grpc.LendingServiceServicer):
    """library.frontend.v1.LendingService."""

    def __init__(self, store: Store, rules: LendingRules, clock: WatchedClock, sync: Sync) -> None:
        self._store, self._rules, self._clock, self._sync = store, rules, clock, sync

    def BorrowBook(
        self, request: lending_service_pb2.BorrowBookRequest, context: grpc.ServicerContext
    ) -> loan_pb2.Loan:
        loan = lending.borrow_book(self._store, request, self._rules, self._clock.lending_time)
        self._sync.something_to_push()
        self._clock.saw(micros(loan.borrow_time))
        return loan

    def ReturnBook(
        self, request: lending_service_pb2.ReturnBookRequest, context: grpc.ServicerContext
    ) -> loan_pb2.Loan:
        loan = lending.return_book(self._store, request, self._rules, self._clock.lending_time)
        self._sync.something_to_push()
        self._clock.saw(micros(loan.return_time))
        return loan

    def RenewLoan(self, request: lending_service_pb2.RenewLoanRequest, context: grpc.ServicerContext) -> loan_pb2.Loan:
        loan = lending.renew_loan(self._store, request, self._clock.lending_time)
        self._sync.something_to_push()
        return loan

    def GetLoan(self, request: lending_service_pb2.GetLoanRequest, context: grpc.ServicerContext) -> loan_pb2.Loan:
        return lending.get_loan(self._store, request.id, self._clock.now)

    def ListLoans(
        self, request: lending_service_pb2.ListLoansRequest, context: grpc.ServicerContext
    ) -> lending_service_pb2.ListLoansResponse:
        loans, token = lending.list_loans(self._store, request, self._clock.now)
        return lending_service_pb2.ListLoansResponse(loans=loans, next_page_token=token)


@instrument_servicer(_SYNC, long_calls={"SyncNow"})
class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """library.frontend.v1.SyncService."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync

    def GetSyncStatus(
        self, request: sync_service_pb2.GetSyncStatusRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.SyncStatus:
        return self._sync.status()

    def SyncNow(
        self, request: sync_service_pb2.SyncNowRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.SyncStatus:
        return self._sync.sync_now(retry_parked=request.retry_parked)


def services(store: Store, rules: LendingRules, clock: WatchedClock, sync: Sync) -> list[Service]:
    """All that the frontend serves."""
    return [
        Service(
            _MEMBERS, MemberServicer(store, clock, sync), member_service_pb2_grpc.add_MemberServiceServicer_to_server
        ),
        Service(_CATALOG, CatalogServicer(store), catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server),
        Service(
            _LENDING,
            LendingServicer(store, rules, clock, sync),
            lending_service_pb2_grpc.add_LendingServiceServicer_to_server,
        ),
        Service(_SYNC, SyncServicer(sync), sync_service_pb2_grpc.add_SyncServiceServicer_to_server),
    ]
