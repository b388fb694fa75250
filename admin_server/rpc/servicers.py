"""The admin's servicers. `instrument_servicer` checks the requests and turns errors into statuses."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.message import Message

from admin_server import catalog, import_runs, import_undo, imports, reports
from admin_server.borrower_pages import borrower_position
from admin_server.sync import changes, records
from admin_server.sync.epochs import check_positions
from admin_server.sync.pairing import check_caller
from library.admin.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    loan_service_pb2,
    loan_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from library.sync.v1 import sync_service_pb2, sync_service_pb2_grpc
from library.v1 import book_pb2, user_pb2
from library_domain.search import check_place, check_query
from library_domain.users import check_user_query
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.server import Service
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

# ruff: noqa: D102 - the methods are named and documented in the contract

_CATALOG = catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"]
_USERS = user_service_pb2.DESCRIPTOR.services_by_name["UserService"]
_LOANS = loan_service_pb2.DESCRIPTOR.services_by_name["LoanService"]
_STATUS = status_service_pb2.DESCRIPTOR.services_by_name["StatusService"]
_SYNC = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]
WRITING_SERVICES = (_CATALOG.full_name, _SYNC.full_name)
"""Those that do not serve while the store cannot be written, though they answer what only reads."""


@instrument_servicer(
    _CATALOG,
    rules={
        "AddBook": [catalog.check_isbn],
        "ListBooks": [check_query, check_place],
        "UpdateBook": [catalog.check_update],
        "ListImportRuns": [row_position],
        "UndoImport": [import_undo.undo_position],
    },
)
class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """library.admin.v1.CatalogService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def AddBook(self, request: catalog_service_pb2.AddBookRequest, context: grpc.ServicerContext) -> book_pb2.Book:
        return catalog.add_book(self._store, request, self._clock)

    def GetBook(self, request: catalog_service_pb2.GetBookRequest, context: grpc.ServicerContext) -> book_pb2.Book:
        return catalog.get_book(self._store, request.id)

    def ListBooks(
        self, request: catalog_service_pb2.ListBooksRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListBooksResponse:
        books, token = catalog.list_books(self._store, request)
        return catalog_service_pb2.ListBooksResponse(books=books, next_page_token=token)

    def UpdateBook(
        self, request: catalog_service_pb2.UpdateBookRequest, context: grpc.ServicerContext
    ) -> book_pb2.Book:
        return catalog.update_book(self._store, request, self._clock)

    def RemoveBook(
        self, request: catalog_service_pb2.RemoveBookRequest, context: grpc.ServicerContext
    ) -> book_pb2.Book:
        return catalog.remove_book(self._store, request, self._clock)

    def ImportBooks(
        self, request_iterator: Iterator[catalog_service_pb2.ImportBooksRequest], context: grpc.ServicerContext
    ) -> catalog_service_pb2.ImportBooksResponse:
        outcomes = imports.import_books(self._store, request_iterator, self._clock)
        return catalog_service_pb2.ImportBooksResponse(outcomes=outcomes)

    def ListImportRuns(
        self, request: catalog_service_pb2.ListImportRunsRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListImportRunsResponse:
        runs, token = import_runs.list_import_runs(self._store, request)
        return catalog_service_pb2.ListImportRunsResponse(import_runs=runs, next_page_token=token)

    def UndoImport(
        self, request: catalog_service_pb2.UndoImportRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.UndoImportResponse:
        return import_undo.undo_import(self._store, request, self._clock)


@instrument_servicer(
    _USERS, rules={"ListUsers": [check_user_query, row_position], "ListBorrowers": [borrower_position]}
)
class UserServicer(user_service_pb2_grpc.UserServiceServicer):
    """library.admin.v1.UserService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, context: grpc.ServicerContext
    ) -> user_service_pb2.ListUsersResponse:
        users, token = reports.list_users(self._store, request)
        return user_service_pb2.ListUsersResponse(users=users, next_page_token=token)

    def GetUser(self, request: user_service_pb2.GetUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return reports.get_user(self._store, request.id)

    def ListBorrowers(
        self, request: user_service_pb2.ListBorrowersRequest, context: grpc.ServicerContext
    ) -> user_service_pb2.ListBorrowersResponse:
        borrowers, token = reports.list_borrowers(self._store, request, self._clock)
        return user_service_pb2.ListBorrowersResponse(borrowers=borrowers, next_page_token=token)


@instrument_servicer(_LOANS, rules={"ListLoans": [row_position], "ListUnavailableBooks": [row_position]})
class LoanServicer(loan_service_pb2_grpc.LoanServiceServicer):
    """library.admin.v1.LoanService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def ListLoans(
        self, request: loan_service_pb2.ListLoansRequest, context: grpc.ServicerContext
    ) -> loan_service_pb2.ListLoansResponse:
        loans, token = reports.list_loans(self._store, request, self._clock)
        return loan_service_pb2.ListLoansResponse(loans=loans, next_page_token=token)

    def ListUnavailableBooks(
        self, request: loan_service_pb2.ListUnavailableBooksRequest, context: grpc.ServicerContext
    ) -> loan_service_pb2.ListUnavailableBooksResponse:
        books, token = catalog.list_unavailable_books(self._store, request)
        return loan_service_pb2.ListUnavailableBooksResponse(books=books, next_page_token=token)


@instrument_servicer(_STATUS)
class StatusServicer(status_service_pb2_grpc.StatusServiceServicer):
    """library.admin.v1.StatusService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def GetStatus(
        self, request: status_service_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> status_service_pb2.Status:
        return reports.get_status(self._store)


@instrument_servicer(
    _SYNC,
    rules={
        "ListCatalogChanges": [check_positions],
        "RecordStates": [check_positions],
    },
    authenticate=lambda servicer, request, context: servicer.check_caller(request, context),
)
class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """library.sync.v1.SyncService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check_caller(self, request: Message, context: grpc.ServicerContext) -> None:
        """Raise `SyncSecretWrong` or `OtherFrontend` unless the paired frontend calls."""
        check_caller(self._store, context.invocation_metadata(), request)

    def ListCatalogChanges(
        self, request: sync_service_pb2.ListCatalogChangesRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.ListCatalogChangesResponse:
        return changes.list_catalog_changes(self._store, request)

    def RecordStates(
        self, request: sync_service_pb2.RecordStatesRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.RecordStatesResponse:
        return records.record_states(self._store, request)


def services(store: Store, clock: Clock) -> list[Service]:
    """All that the admin serves."""
    return [
        Service(_CATALOG, CatalogServicer(store, clock), catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server),
        Service(_USERS, UserServicer(store, clock), user_service_pb2_grpc.add_UserServiceServicer_to_server),
        Service(_LOANS, LoanServicer(store, clock), loan_service_pb2_grpc.add_LoanServiceServicer_to_server),
        Service(_STATUS, StatusServicer(store), status_service_pb2_grpc.add_StatusServiceServicer_to_server),
        Service(_SYNC, SyncServicer(store), sync_service_pb2_grpc.add_SyncServiceServicer_to_server, is_apart=True),
    ]
