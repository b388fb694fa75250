"""A gRPC server that answers from lists: the methods of both services that `library labels` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo

from library.admin.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest, ListBooksResponse
from library.admin.v1.catalog_service_pb2_grpc import add_CatalogServiceServicer_to_server
from library.admin.v1.inventory_service_pb2 import ListItemsRequest, ListItemsResponse, LookupItemRequest
from library.admin.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from library.frontend.v1.member_service_pb2 import ListUsersRequest, ListUsersResponse
from library.frontend.v1.member_service_pb2_grpc import add_MemberServiceServicer_to_server
from library.v1.book_pb2 import Book
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN, Item
from library.v1.user_pb2 import User
from tests.support.scripted_servers import refuse

Row = TypeVar("Row", bound=Message)

ADD_TO_SERVER: Sequence[Callable[[Any, grpc.Server], None]] = (
    add_InventoryServiceServicer_to_server,
    add_CatalogServiceServicer_to_server,
    add_MemberServiceServicer_to_server,
)


@dataclass
class Lists:
    """What the server answers from."""

    books: list[Book] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    rows_read: int = 0
    address: str = ""

    def LookupItem(self, request: LookupItemRequest, context: grpc.ServicerContext) -> Item:
        return self._one((item for item in self.items if item.barcode == request.barcode.upper()), "ITEM", context)

    def GetBook(self, request: GetBookRequest, context: grpc.ServicerContext) -> Book:
        return self._one((book for book in self.books if book.id == request.id), "BOOK", context)

    def ListItems(self, request: ListItemsRequest, context: grpc.ServicerContext) -> ListItemsResponse:
        since = request.created_after.ToNanoseconds() if request.HasField("created_after") else 0
        matching = [
            item
            for item in self.items
            if item.state != ITEM_STATE_WITHDRAWN
            and request.book_id in ("", item.book_id)
            and item.barcode.startswith(request.barcode_prefix)
            and item.create_time.ToNanoseconds() >= since
        ]
        page, token = self._page(matching, request)
        return ListItemsResponse(items=page, next_page_token=token)

    def ListBooks(self, request: ListBooksRequest, context: grpc.ServicerContext) -> ListBooksResponse:
        return ListBooksResponse(books=[book for book in self.books if request.query in (book.isbn, book.title)])

    def ListUsers(self, request: ListUsersRequest, context: grpc.ServicerContext) -> ListUsersResponse:
        matching = [
            user
            for user in self.users
            if request.query.casefold() in f"{user.first_name} {user.last_name}".casefold()
            and request.card_number in ("", user.card_number)
        ]
        page, token = self._page(matching, request)
        return ListUsersResponse(users=page, next_page_token=token)

    def _page(self, rows: Sequence[Row], request: Any) -> tuple[Sequence[Row], str]:
        first = int(request.page_token or 0)
        after = first + (request.page_size or 50)
        self.rows_read += len(rows[first:after])
        return rows[first:after], str(after) if after < len(rows) else ""

    def _one(self, found: Iterable[Row], noun: str, context: grpc.ServicerContext) -> Row:
        return next(iter(found), None) or _not_found(noun, context)


class _Servicer:
    """Has all methods of the services; those that `Lists` lacks end a call with an error."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def __getattr__(self, method: str) -> Callable[[Any, grpc.ServicerContext], Message]:
        answer: Callable[[Any, grpc.ServicerContext], Message] = getattr(self._lists, method, _unimplemented)
        return answer


def _unimplemented(request: Any, context: grpc.ServicerContext) -> NoReturn:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "This server only lists.")


def _not_found(noun: str, context: grpc.ServicerContext) -> NoReturn:
    reason = ErrorInfo(reason=f"{noun}_NOT_FOUND", domain="lending-library")
    refuse(grpc.StatusCode.NOT_FOUND, reason)(context)
    raise AssertionError("refuse ends the call")


@contextmanager
def listing_services() -> Iterator[Lists]:
    """Run the server in this process."""
    lists = Lists()
    with ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads)
        for add_to_server in ADD_TO_SERVER:
            add_to_server(_Servicer(lists), server)
        lists.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield lists
        server.stop(None).wait()
