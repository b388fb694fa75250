"""library.admin.v1.ImportService."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.longrunning.operations_pb2 import Operation

from admin_server.covers.fetching import fetch_cover
from admin_server.jobs.catalogues import asked_catalogues
from admin_server.jobs.listing import list_source_runs, list_sources
from admin_server.jobs.schedule import jobs_of
from admin_server.jobs.settings import JobSettings
from admin_server.operations.limits import OperationLimits
from admin_server.operations.problems import list_problems
from admin_server.operations.signals import Signals
from admin_server.operations.uploads import start_import
from admin_server.sources.catalogues import Catalogues
from admin_server.sources.importing import check_import, import_external_book
from admin_server.sources.searching import search_external_books
from library.admin.v1 import import_service_pb2, import_service_pb2_grpc
from library.v1 import book_pb2
from library_domain.search import check_query
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = import_service_pb2.DESCRIPTOR.services_by_name["ImportService"]


@instrument_servicer(
    SERVICE,
    long_calls={"SearchExternalBooks", "ImportExternalBook"},
    rules={
        "ListImportProblems": [row_position],
        "ListSourceRuns": [row_position],
        "SearchExternalBooks": [check_query],
        "ImportExternalBook": [check_import],
    },
)
class ImportServicer(import_service_pb2_grpc.ImportServiceServicer):
    """library.admin.v1.ImportService."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        signals: Signals,
        limits: OperationLimits,
        catalogues: Catalogues,
        jobs: JobSettings,
    ) -> None:
        self._store, self._clock, self._signals, self._limits = store, clock, signals, limits
        self._catalogues, self._asked = catalogues, asked_catalogues(catalogues)
        self._jobs = jobs_of(jobs, self._asked)

    def StartImport(
        self, request_iterator: Iterator[import_service_pb2.StartImportRequest], context: grpc.ServicerContext
    ) -> Operation:
        return start_import(self._store, request_iterator, self._clock, self._signals, self._limits)

    def ListImportProblems(
        self, request: import_service_pb2.ListImportProblemsRequest, context: grpc.ServicerContext
    ) -> import_service_pb2.ListImportProblemsResponse:
        problems, token = list_problems(self._store, request)
        return import_service_pb2.ListImportProblemsResponse(problems=problems, next_page_token=token)

    def SearchExternalBooks(
        self, request: import_service_pb2.SearchExternalBooksRequest, context: grpc.ServicerContext
    ) -> import_service_pb2.SearchExternalBooksResponse:
        return search_external_books(self._store, request, self._catalogues)

    def ImportExternalBook(
        self, request: import_service_pb2.ImportExternalBookRequest, context: grpc.ServicerContext
    ) -> import_service_pb2.ImportExternalBookResponse:
        return import_external_book(self._store, request, self._catalogues, self._clock, self._add_cover)

    def ListSources(
        self, request: import_service_pb2.ListSourcesRequest, context: grpc.ServicerContext
    ) -> import_service_pb2.ListSourcesResponse:
        return list_sources(self._store, self._asked.values(), self._jobs, self._clock)

    def ListSourceRuns(
        self, request: import_service_pb2.ListSourceRunsRequest, context: grpc.ServicerContext
    ) -> import_service_pb2.ListSourceRunsResponse:
        runs, token = list_source_runs(self._store, request)
        return import_service_pb2.ListSourceRunsResponse(source_runs=runs, next_page_token=token)

    def _add_cover(self, book: book_pb2.Book, address: str) -> None:
        fetch_cover(self._store, self._catalogues, book.id, address, self._clock)
