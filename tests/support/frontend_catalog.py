"""The catalogue of a frontend, listed page after page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frontend_server.browse import catalog
from library.frontend.v1.catalog_service_pb2 import (
    ListBooksRequest,
    ListCategoriesRequest,
    ListPublishersRequest,
)
from library.v1 import book_pb2
from tests.support.frontend import LocalFrontend


def pages(frontend: LocalFrontend, page_size: int = 1_000, **filters: Any) -> Iterator[list[book_pb2.Book]]:
    request = ListBooksRequest(page_size=page_size, **filters)
    while True:
        page = catalog.list_books(frontend.store, request)
        assert len(page.books) <= page_size
        yield list(page.books)
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def listed(frontend: LocalFrontend, page_size: int = 1_000, **filters: Any) -> list[book_pb2.Book]:
    return [book for page in pages(frontend, page_size, **filters) for book in page]


def titles(frontend: LocalFrontend, **filters: Any) -> list[str]:
    return [book.title for book in listed(frontend, **filters)]


def counts(
    frontend: LocalFrontend, page_size: int = 1_000, *, include_unavailable: bool = False
) -> tuple[dict[str, int], ...]:
    """All publishers and all categories, each with its count, in the order in which they were listed."""
    found: list[dict[str, int]] = []
    lists: list[tuple[Any, Any]] = [
        (catalog.list_publishers, ListPublishersRequest(page_size=page_size, include_unavailable=include_unavailable)),
        (catalog.list_categories, ListCategoriesRequest(page_size=page_size, include_unavailable=include_unavailable)),
    ]
    for list_values, request in lists:
        values: dict[str, int] = {}
        while True:
            page, request.page_token = list_values(frontend.store, request)
            assert len(page) <= page_size
            assert not values.keys() & {value.value for value in page}, "a value was listed twice"
            values.update({value.value: value.book_count for value in page})
            if not request.page_token:
                break
        found.append(values)
    return tuple(found)
