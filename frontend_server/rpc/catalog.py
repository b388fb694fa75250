"""library.frontend.v1.CatalogService."""

from __future__ import annotations

import grpc

from frontend_server.browse import catalog
from library.frontend.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from library.v1 import book_pb2
from library_domain.search import check_query
from service_kit.id_prefixes import check_id_prefix
from service_kit.paging import position
from service_kit.search import check_place
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

CATALOG_SERVICE = catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"]


@instrument_servicer(
    CATALOG_SERVICE,
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
