"""Read the items and the users that labels are made for, from the two services."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import grpc

from library.admin.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.inventory_service_pb2 import ListItemsRequest, LookupItemRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN, Item
from library.v1.user_pb2 import User
from library_cli.channel import ANSWER_SECONDS, pages
from library_cli.labels.ranges import BarcodeRange, range_in
from library_domain.barcodes import normalized_barcode
from library_domain.isbn import normalized_isbn13
from service_kit.ids import UUID

MOST_LABELS = 10_000
"""The most labels of one call."""

PAGE_SIZE = 1_000
CALLS_AT_ONCE = 50

Report = Callable[[str], object]
"""Is called with what was read so far, for people."""

Row = TypeVar("Row", Item, User)


class NotFound(Exception):
    """Some of what was named was not found, or cannot get a label. `problems` has a sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class NotAName(Exception):
    """A text cannot name an item or a book. The message is a sentence."""


class ItemSource:
    """The items and titles of the admin service. All methods raise grpc.RpcError and NotFound."""

    def __init__(self, channel: grpc.Channel, report: Report) -> None:
        self._inventory = InventoryServiceStub(channel)
        self._catalog = CatalogServiceStub(channel)
        self._report = report

    def with_barcodes(self, texts: Sequence[str]) -> list[Item]:
        """Return the items with these barcodes, and those in the ranges, each once, in the order of the texts.

        Withdrawn items are left out of a range. Raises NotAName for an invalid range.
        """
        ranges = [_range_in(text) for text in texts]
        single = [text.strip() for text, each in zip(texts, ranges, strict=True) if each is None]
        calls = (
            self._inventory.LookupItem.future(LookupItemRequest(barcode=text), timeout=ANSWER_SECONDS)
            for text in single
        )
        looked_up = dict(zip(single, _answers(calls, self._report, "items"), strict=True))
        named: list[Item] = []
        problems: list[str] = []
        for text, barcode_range in zip(texts, ranges, strict=True):
            found = self._in_range(barcode_range) if barcode_range else _lendable(looked_up[text.strip()])
            if not found:
                problems.append(_missing(text.strip(), barcode_range, looked_up))
            named += found
        if problems:
            raise NotFound(problems)
        return _bounded({item.id: item for item in named}.values(), self._report, "items")

    def matching(self, books: Sequence[str], since: datetime | None) -> list[Item]:
        """Return the items of the books, each an id or an ISBN, that were created at `since` or later.

        Without books all items that were created then. Raises NotAName for a text that is neither id nor ISBN.
        """
        ids = [book_id for text in books for book_id in self._book_ids(text)] if books else [""]
        requests = [ListItemsRequest(page_size=PAGE_SIZE, book_id=book_id) for book_id in ids]
        for request in requests:
            if since is not None:
                request.created_after.FromDatetime(since)
        return _bounded(itertools.chain.from_iterable(map(self._items, requests)), self._report, "items")

    def titles(self, items: Iterable[Item]) -> dict[str, str]:
        """Return the titles of the items' books by the books' ids."""
        ids = list({item.book_id: None for item in items})
        calls = (self._catalog.GetBook.future(GetBookRequest(id=book_id), timeout=ANSWER_SECONDS) for book_id in ids)
        books = _answers(calls, self._report, "titles")
        return {book_id: book.title if book else "" for book_id, book in zip(ids, books, strict=True)}

    def _items(self, request: ListItemsRequest) -> Iterator[Item]:
        for page in pages(self._inventory.ListItems, request):
            yield from page.items

    def _in_range(self, wanted: BarcodeRange) -> list[Item]:
        listed = self._items(ListItemsRequest(page_size=PAGE_SIZE, barcode_prefix=wanted.prefix))
        found = _bounded((item for item in listed if item.barcode in wanted), self._report, "items")
        return sorted(found, key=lambda item: item.barcode)

    def _book_ids(self, text: str) -> list[str]:
        if UUID.fullmatch(text.strip()):
            return [text.strip().lower()]
        try:
            isbn = normalized_isbn13(text)
        except ValueError as problem:
            raise NotAName(f"{text} is neither the id of a book nor an ISBN: {problem}") from problem
        found = self._catalog.ListBooks(ListBooksRequest(query=isbn), timeout=ANSWER_SECONDS).books
        ids = [book.id for book in found if book.isbn == isbn]
        if not ids:
            raise NotFound([f"No book has the ISBN {isbn}."])
        return ids


class UserSource:
    """The users of the frontend service whose account is open. All methods raise grpc.RpcError and NotFound."""

    def __init__(self, channel: grpc.Channel, report: Report) -> None:
        self._members = MemberServiceStub(channel)
        self._report = report

    def with_cards(self, texts: Sequence[str]) -> list[User]:
        """Return the users with these card numbers, each once, in the order of the texts.

        Raises NotAName for a text that cannot be a card number.
        """
        wanted = dict.fromkeys(map(_card_number, texts))
        if len(wanted) > MOST_LABELS:
            raise _too_many()
        requests = (ListUsersRequest(card_number=card_number) for card_number in wanted)
        calls = (self._members.ListUsers.future(request, timeout=ANSWER_SECONDS) for request in requests)
        pages_found = _answers(calls, self._report, "users")
        found = {user.card_number: user for page in pages_found for user in page.users}
        problems = [f"No user has the card number {card}." for card in wanted if card not in found]
        if problems:
            raise NotFound(problems)
        return [found[card_number] for card_number in wanted]

    def matching(self, query: str) -> list[User]:
        """Return the users that a search finds."""
        return _bounded(self._users(query=query), self._report, "users")

    def _users(self, **filters: Any) -> Iterator[User]:
        for page in pages(self._members.ListUsers, ListUsersRequest(page_size=PAGE_SIZE, **filters)):
            yield from page.users


def _range_in(text: str) -> BarcodeRange | None:
    try:
        return range_in(text)
    except ValueError as problem:
        raise NotAName(str(problem)) from problem


def _card_number(text: str) -> str:
    try:
        return normalized_barcode(text)
    except ValueError as problem:
        raise NotAName(f"{text!r} is not a card number: it {problem}.") from problem


def _bounded(rows: Iterable[Row], report: Report, noun: str) -> list[Row]:
    """Return the rows. Raises NotFound for more than MOST_LABELS."""
    kept: list[Row] = []
    for row in rows:
        kept.append(row)
        if len(kept) > MOST_LABELS:
            raise _too_many()
        if len(kept) % PAGE_SIZE == 0:
            report(f"Read {len(kept):,} {noun}")
    return kept


def _too_many() -> NotFound:
    return NotFound([f"These are more than {MOST_LABELS:,} labels, the most that one call makes. Choose fewer."])


def _answers(calls: Iterable[Any], report: Report, noun: str) -> Iterator[Any]:
    """Yield the answer to each call, None for NOT_FOUND. CALLS_AT_ONCE calls run at the same time."""
    pending = iter(calls)
    count = 0
    while batch := list(itertools.islice(pending, CALLS_AT_ONCE)):
        yield from map(_answer, batch)
        count += len(batch)
        report(f"Read {count:,} {noun}")


def _answer(call: Any) -> Any:
    try:
        return call.result()
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return None


def _lendable(item: Item | None) -> list[Item]:
    return [item] if item is not None and item.state != ITEM_STATE_WITHDRAWN else []


def _missing(text: str, barcode_range: BarcodeRange | None, looked_up: dict[str, Item | None]) -> str:
    if barcode_range is not None:
        return f"No item has a barcode from {barcode_range.first} to {barcode_range.last}."
    is_withdrawn = looked_up[text] is not None
    return f"The item {text} is withdrawn." if is_withdrawn else f"No item has the barcode {text}."
