"""The calls to the admin service that `library items` makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import grpc

from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.inventory_service_pb2 import ListItemsRequest, LookupItemRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.v1.item_pb2 import Item
from library_cli.channel import ANSWER_SECONDS, connected, pages
from library_cli.desk.calls import PAGE_SIZE, Desk
from library_cli.desk.refusals import ended_by_refusals
from service_kit.ids import UUID


class StockRoom(Desk):
    """The calls of a librarian who keeps the items. All methods raise grpc.RpcError."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self.inventory = InventoryServiceStub(channel)
        self._entries = CatalogServiceStub(channel)

    def items(self, request: ListItemsRequest) -> Iterator[Item]:
        request.page_size = PAGE_SIZE
        for page in pages(self.inventory.ListItems, request):
            yield from page.items

    def item(self, barcode: str) -> Item:
        return self.inventory.LookupItem(LookupItemRequest(barcode=barcode), timeout=ANSWER_SECONDS)

    def book_id(self, text: str) -> str:
        """Return the id of the book that a text names: its id, its ISBN or words. Raises `click.ClickException`."""
        if UUID.fullmatch(text):
            return text
        found = self._entries.ListBooks(ListBooksRequest(page_size=2, query=text), timeout=ANSWER_SECONDS).books
        if len(found) != 1:
            problem = "Several books match" if found else "No book matches"
            raise click.ClickException(f'{problem} "{text}". Name the book by its ISBN or its id.')
        return found[0].id


@contextmanager
def in_stock_room(target: str, *, json_wanted: bool = False) -> Iterator[StockRoom]:
    """Open the admin service at `target` for a command. A refusal ends the command with its sentences."""
    with ended_by_refusals(json_wanted=json_wanted), connected(target) as channel:
        yield StockRoom(channel)
