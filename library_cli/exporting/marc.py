"""Write books and their items as MARC records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

import grpc

from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.inventory_service_pb2 import ListItemsRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.v1.book_pb2 import Book
from library.v1.item_pb2 import Item
from library_cli.channel import pages
from library_cli.exporting.kinds import PAGE_SECONDS
from library_cli.stopped import CommandStopped
from library_formats.writers.fields import record_of
from library_formats.writers.formats import MARC_WRITERS, RecordUnwritableError

BOOKS_OF_A_PAGE = 200
"""Books whose items are read together."""

PARALLEL_CALLS = 4
"""The items of a book are a call of their own."""

ITEMS_OF_A_PAGE = 1_000

Row = tuple[Book, list[Item]]


def books_with_items(channel: grpc.Channel) -> Iterator[Row]:
    """Yield all books of the catalogue, the oldest entry first, with their items."""
    inventory = InventoryServiceStub(channel)

    def items_of(book: Book) -> list[Item]:
        if not book.total_copies:
            return []
        request = ListItemsRequest(book_id=book.id, page_size=ITEMS_OF_A_PAGE)
        return [item for page in pages(inventory.ListItems, request, PAGE_SECONDS) for item in page.items]

    request = ListBooksRequest(page_size=BOOKS_OF_A_PAGE)
    with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
        for page in pages(CatalogServiceStub(channel).ListBooks, request, PAGE_SECONDS):
            yield from zip(page.books, pool.map(items_of, page.books), strict=True)


@contextmanager
def marc_writer(form: str, file: IO[str], item_tag: str) -> Iterator[Callable[[Row], None]]:
    """Yield a function that writes a book and its items into a file of MARC records.

    Raises `CommandStopped` for a book that does not fit the format.
    """
    count = 0
    with MARC_WRITERS[form](lambda data: file.write(data.decode())) as write_record:

        def write(row: Row) -> None:
            nonlocal count
            count += 1
            book, items = row
            try:
                write_record(record_of(book, items, str(count), item_tag))
            except RecordUnwritableError as problem:
                raise CommandStopped(f"The book {book.title} ({book.id}) cannot be written: {problem}.") from problem

        yield write
