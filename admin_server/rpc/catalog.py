"""library.admin.v1.CatalogService."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.api.httpbody_pb2 import HttpBody

from admin_server.books import catalog, listing
from admin_server.books.entries import check_update
from admin_server.books.values import check_values
from admin_server.covers import storing
from admin_server.intake import imports, runs, undo
from library.admin.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from library.v1 import book_pb2
from library_domain.search import check_query
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.search import check_place
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"]


@instrument_servicer(
    SERVICE,
    rules={
        "AddBook": [check_values],
        "ListBooks": [check_query, check_place],
        "UpdateBook": [check_update],
        "ListImportRuns": [row_position],
        "UndoImport": [undo.undo_position],
    },
    checks_its_messages={"ImportBooks"},  # a row with a problem gets an outcome
)
class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """library.admin.v1.CatalogService."""

    def __init__(self, store: Store, clock: Clock, import_limits: imports.ImportLimits) -> None:
        self._store, self._clock, self._import_limits = store, clock, import_limits

    def AddBook(self, request: catalog_service_pb2.AddBookRequest, context: grpc.ServicerContext) -> book_pb2.Book:
        return catalog.add_book(self._store, request, self._clock)

    def GetBook(self, request: catalog_service_pb2.GetBookRequest, context: grpc.ServicerContext) -> book_pb2.Book:
        return listing.get_book(self._store, request.id)

    def GetCover(self, request: catalog_service_pb2.GetCoverRequest, context: grpc.ServicerContext) -> HttpBody:
        return storing.get_cover(self._store, request.book_id)

    def ListBooks(
        self, request: catalog_service_pb2.ListBooksRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListBooksResponse:
        books, token = listing.list_books(self._store, request)
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
        outcomes = imports.import_books(self._store, request_iterator, self._clock, self._import_limits)
        return catalog_service_pb2.ImportBooksResponse(outcomes=outcomes)

    def ListImportRuns(
        self, request: catalog_service_pb2.ListImportRunsRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.ListImportRunsResponse:
        found, token = runs.list_import_runs(self._store, request)
        return catalog_service_pb2.ListImportRunsResponse(import_runs=found, next_page_token=token)

    def UndoImport(
        self, request: catalog_service_pb2.UndoImportRequest, context: grpc.ServicerContext
    ) -> catalog_service_pb2.UndoImportResponse:
        return undo.undo_import(self._store, request, self._clock)
