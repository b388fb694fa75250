"""The calls to either service that a history needs. All methods raise grpc.RpcError."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc

from library.admin.v1 import catalog_service_pb2, report_service_pb2, user_service_pb2
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.inventory_service_pb2 import LookupItemRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.admin.v1.report_service_pb2_grpc import ReportServiceStub
from library.admin.v1.user_service_pb2_grpc import UserServiceStub
from library.frontend.v1 import catalog_service_pb2 as browsing
from library.frontend.v1 import circulation_service_pb2, member_service_pb2
from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceStub as BrowsingStub
from library.frontend.v1.circulation_service_pb2_grpc import CirculationServiceStub
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.v1.history_pb2 import HistoryEntry
from library.v1.user_pb2 import User
from library_cli.channel import ANSWER_SECONDS, pages
from library_cli.desk import matching
from library_cli.desk.columns import USERS, name_of
from library_cli.desk.refusals import AMBIGUOUS, Refusal
from library_cli.grpc_errors import rich_status
from library_domain.barcodes import normalized_barcode
from service_kit.ids import UUID

PAGE_SIZE = 50
"""Entries of a page, whose users and books are then read at the same time."""

USERS_LOOKED_AT = 50
"""The most users of a search that are compared with a card number or address."""


class History(ABC):
    """The history of one service, with the names of users and books."""

    def __init__(self) -> None:
        self._users: dict[str, str] = {}
        self._titles: dict[str, str] = {}

    @abstractmethod
    def item_id(self, barcode: str) -> str:
        """Return the id of the item with a barcode."""

    @abstractmethod
    def pages(self, **filters: str) -> Iterator[Sequence[HistoryEntry]]:
        """Yield the entries page by page, the newest first."""

    @abstractmethod
    def _found_users(self, text: str) -> Iterable[User]:
        """Return users that a search finds, also closed ones."""

    @abstractmethod
    def _user_call(self, user_id: str) -> Any:
        """Begin to read a user."""

    @abstractmethod
    def _book_call(self, book_id: str) -> Any:
        """Begin to read a book."""

    def user_id(self, text: str) -> str:
        """Return the id of the one user with a card number or an e-mail address. Raises Refusal for none or several."""
        text = text.strip()
        if UUID.fullmatch(text):
            return text.lower()
        key = matching.address_key(text)
        is_meant = _has_address(key) if key else _has_card(text)
        found = [user for user in self._found_users(text) if is_meant(user)]
        if len(found) == 1:
            return found[0].id
        if found:
            raise Refusal(AMBIGUOUS, f'{len(found)} users have "{text}". Name one by the id.', found, USERS)
        raise Refusal("USER_NOT_FOUND", f'No user has the card number or e-mail address "{text}".')

    def user_names(self, ids: Iterable[str]) -> Mapping[str, str]:
        """Return the names of those of these users that the service knows; each is read once."""
        return _read(self._users, ids, self._user_call, name_of)

    def titles(self, ids: Iterable[str]) -> Mapping[str, str]:
        """Return the titles of those of these books that the service knows; each is read once."""
        return _read(self._titles, ids, self._book_call, lambda book: str(book.title))


class AdminHistory(History):
    """The history that the admin service has received."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__()
        self._reports, self._inventory = ReportServiceStub(channel), InventoryServiceStub(channel)
        self._members, self._catalog = UserServiceStub(channel), CatalogServiceStub(channel)

    def item_id(self, barcode: str) -> str:
        return self._inventory.LookupItem(LookupItemRequest(barcode=barcode), timeout=ANSWER_SECONDS).id

    def pages(self, **filters: str) -> Iterator[Sequence[HistoryEntry]]:
        request = report_service_pb2.ListHistoryRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self._reports.ListHistory, request):
            yield page.entries

    def _found_users(self, text: str) -> Iterable[User]:
        request = user_service_pb2.ListUsersRequest(query=text, page_size=USERS_LOOKED_AT, include_closed=True)
        return self._members.ListUsers(request, timeout=ANSWER_SECONDS).users

    def _user_call(self, user_id: str) -> Any:
        return self._members.GetUser.future(user_service_pb2.GetUserRequest(id=user_id), timeout=ANSWER_SECONDS)

    def _book_call(self, book_id: str) -> Any:
        return self._catalog.GetBook.future(catalog_service_pb2.GetBookRequest(id=book_id), timeout=ANSWER_SECONDS)


class DeskHistory(History):
    """The history that the frontend service writes."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__()
        self._circulation = CirculationServiceStub(channel)
        self._members, self._catalog = MemberServiceStub(channel), BrowsingStub(channel)

    def item_id(self, barcode: str) -> str:
        request = circulation_service_pb2.LookupItemRequest(barcode=barcode)
        return self._circulation.LookupItem(request, timeout=ANSWER_SECONDS).item.id

    def pages(self, **filters: str) -> Iterator[Sequence[HistoryEntry]]:
        request = circulation_service_pb2.ListHistoryRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self._circulation.ListHistory, request):
            yield page.entries

    def _found_users(self, text: str) -> Iterable[User]:
        request = member_service_pb2.ListUsersRequest(query=text, page_size=USERS_LOOKED_AT, include_closed=True)
        return self._members.ListUsers(request, timeout=ANSWER_SECONDS).users

    def _user_call(self, user_id: str) -> Any:
        return self._members.GetUser.future(member_service_pb2.GetUserRequest(id=user_id), timeout=ANSWER_SECONDS)

    def _book_call(self, book_id: str) -> Any:
        return self._catalog.GetBook.future(browsing.GetBookRequest(id=book_id), timeout=ANSWER_SECONDS)


def _has_card(text: str) -> Callable[[User], bool]:
    try:
        number = normalized_barcode(text)
    except ValueError as problem:
        raise Refusal("USER_NOT_FOUND", f'"{text}" is not a card number: it {problem}.') from problem
    return lambda user: user.card_number == number


def _has_address(key: str) -> Callable[[User], bool]:
    return lambda user: matching.has_address(user, key)


def _read(
    known: dict[str, str], ids: Iterable[str], call: Callable[[str], Any], name: Callable[[Any], str]
) -> Mapping[str, str]:
    """Add the names of those that are not known yet, all read at the same time, and return all names."""
    calls = {each: call(each) for each in dict.fromkeys(ids) if each and each not in known}
    for each, running in calls.items():
        try:
            known[each] = name(running.result())
        except grpc.RpcError as error:
            if rich_status(error) is None or error.code() is grpc.StatusCode.UNAVAILABLE:
                raise
            known[each] = ""  # the service has received the entry before the user or the book
    return known
