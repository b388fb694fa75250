"""A case for each method of the contract that changes something: `CASES`."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.admin.v1 import import_service_pb2, inventory_service_pb2
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.frontend.v1 import catalog_service_pb2, lending_service_pb2, member_service_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library.v1.item_pb2 import ITEM_STATE_UNSPECIFIED, ITEM_STATE_WITHDRAWN, Item
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from tests.support.clients import refusal_of
from tests.support.desk_request_ids import DESK_CASES
from tests.support.policy_request_ids import POLICY_CASES
from tests.support.processes import Servers
from tests.support.request_id_case import Case
from tests.support.rest import RestServers
from tests.support.source_server import SourceServer, json_answer
from tests.support.staff_request_ids import STAFF_CASES
from tests.support.stores import Engine, FreshDatabases

NUMBERS = itertools.count(1)


class Desk:
    """Both servers, in step with one another, and library-rest in front of them."""

    def __init__(
        self,
        servers: Servers,
        rest_servers: RestServers,
        databases: FreshDatabases,
        engine: Engine,
        source: SourceServer,
    ) -> None:
        self.source = source
        of_sources = {
            "OPEN_LIBRARY_ADDRESS": source.address,
            "OPEN_LIBRARY_COVERS_ADDRESS": source.address,
            "SOURCE_RATE": "100",
            "ALLOW_PRIVATE_SOURCES": "true",
        }
        admin = servers.start("admin", databases.migrated("admin", engine), **of_sources)
        frontend = servers.start(
            "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
        )
        self.admin, self.frontend = admin.admin(), frontend.frontend()
        self.inventory = InventoryServiceStub(admin.channel())
        self.rest = rest_servers.start([frontend.address, admin.address])
        self._channels = {"library.admin.v1": admin.channel(), "library.frontend.v1": frontend.channel()}

    def call(self, method: str, request: Message) -> bytes:
        """Call `package.Service/Method`; return the answer's bytes as they came."""
        channel = self._channels[method.rpartition(".")[0]]
        call: Callable[..., bytes] = channel.unary_unary(
            f"/{method}", request_serializer=type(request).SerializeToString
        )
        return call(request, timeout=100)

    def reason(self, method: str, request: Message) -> str:
        """Call a method that is to refuse; return its reason."""
        with pytest.raises(grpc.RpcError) as refused:
            self.call(method, request)
        return refusal_of(refused.value).reason

    def book(self, copies: int = 5) -> Book:
        """Add a book and wait until it can be borrowed."""
        book: Book = self.admin.catalog.AddBook(admin_catalog.AddBookRequest(title="Emma", copies=copies))
        deadline = time.monotonic() + 100
        while True:
            try:
                self.frontend.catalog.GetBook(catalog_service_pb2.GetBookRequest(id=book.id))
                return book
            except grpc.RpcError:
                assert time.monotonic() < deadline
            time.sleep(0.02)

    def user(self) -> User:
        """Enrol a user."""
        user: User = self.frontend.members.EnrollUser(
            member_service_pb2.EnrollUserRequest(
                email=f"ada{next(NUMBERS)}@example.org", first_name="Ada", last_name="Lovelace"
            )
        )
        return user

    def loan(self) -> Loan:
        """Lend a book to a user."""
        request = lending_service_pb2.BorrowBookRequest(book_id=self.book().id, user_id=self.user().id, days=14)
        loan: Loan = self.frontend.lending.BorrowBook(request)
        return loan

    def user_now(self, user_id: str) -> User:
        """Get a user."""
        user: User = self.frontend.members.GetUser(member_service_pb2.GetUserRequest(id=user_id))
        return user

    def entry(self, book_id: str) -> Book:
        """Get a book as the admin has it."""
        book: Book = self.admin.catalog.GetBook(admin_catalog.GetBookRequest(id=book_id))
        return book

    def items_on(self, book_id: str, shelf: str) -> list[Item]:
        """List the items of a book on a shelf, or all if it is empty; also withdrawn ones."""
        requests = [
            inventory_service_pb2.ListItemsRequest(book_id=book_id, shelf=shelf, state=state)
            for state in (ITEM_STATE_UNSPECIFIED, ITEM_STATE_WITHDRAWN)
        ]
        return [item for request in requests for item in self.inventory.ListItems(request).items]

    def item_now(self, item_id: str) -> Item:
        """Get an item as the admin has it."""
        item: Item = self.inventory.GetItem(inventory_service_pb2.GetItemRequest(id=item_id))
        return item

    def loan_now(self, loan_id: str) -> Loan:
        """Get a loan."""
        loan: Loan = self.frontend.lending.GetLoan(lending_service_pb2.GetLoanRequest(id=loan_id))
        return loan


def enrolling(desk: Desk) -> Case:
    def request() -> Any:
        return member_service_pb2.EnrollUserRequest(
            email=f"grace{next(NUMBERS)}@example.org", first_name="Grace", last_name="Hopper"
        )

    def borrow(answer: bytes) -> None:
        user = User.FromString(answer)
        desk.frontend.lending.BorrowBook(
            lending_service_pb2.BorrowBookRequest(book_id=desk.book().id, user_id=user.id, days=3)
        )

    return Case(request(), request(), borrow, lambda answer: 1)  # a second one would be refused for the e-mail


def borrowing(desk: Desk) -> Case:
    book, user = desk.book(), desk.user()

    def change(answer: bytes) -> None:
        loan = Loan.FromString(answer)
        desk.frontend.lending.RenewLoan(lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=3))
        desk.frontend.lending.ReturnBook(lending_service_pb2.ReturnBookRequest(loan_id=loan.id))

    def count(answer: bytes) -> int:
        request = lending_service_pb2.ListLoansRequest(user_id=user.id, book_id=book.id)
        return len(desk.frontend.lending.ListLoans(request).loans)

    return Case(
        lending_service_pb2.BorrowBookRequest(book_id=book.id, user_id=user.id, days=14),
        lending_service_pb2.BorrowBookRequest(book_id=book.id, user_id=user.id, days=15),
        change,
        count,
    )


def renewing(desk: Desk) -> Case:
    loan = desk.loan()

    def change(answer: bytes) -> None:
        desk.frontend.lending.RenewLoan(lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=1))
        desk.frontend.lending.ReturnBook(lending_service_pb2.ReturnBookRequest(loan_id=loan.id))

    return Case(
        lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=7),
        lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=8),
        change,
        lambda answer: desk.loan_now(loan.id).renewal_count,
    )


def returning(desk: Desk) -> Case:
    loan = desk.loan()

    def borrow_again(answer: bytes) -> None:
        desk.frontend.lending.BorrowBook(
            lending_service_pb2.BorrowBookRequest(book_id=loan.book_id, user_id=loan.user_id, days=3)
        )

    return Case(
        lending_service_pb2.ReturnBookRequest(loan_id=loan.id),
        lending_service_pb2.ReturnBookRequest(loan_id=desk.loan().id),
        borrow_again,
        lambda answer: int(desk.loan_now(loan.id) == Loan.FromString(answer)),
    )


def adding(desk: Desk) -> Case:
    title = f"Persuasion {next(NUMBERS)}"

    def count(answer: bytes) -> int:
        return len(desk.admin.catalog.ListBooks(admin_catalog.ListBooksRequest(query=title)).books)

    return Case(
        admin_catalog.AddBookRequest(title=title),
        admin_catalog.AddBookRequest(title=f"{title}, revised"),
        lambda answer: desk.admin.catalog.RemoveBook(admin_catalog.RemoveBookRequest(id=Book.FromString(answer).id)),
        count,
    )


def updating(desk: Desk) -> Case:
    book = desk.book()

    def request(title: str) -> Any:
        mask = FieldMask(paths=["title"])
        return admin_catalog.UpdateBookRequest(book=Book(id=book.id, title=title), update_mask=mask)

    return Case(
        request("Emma!"),
        request("Emma?"),
        lambda answer: desk.admin.catalog.UpdateBook(request("Emma, revised")),
        lambda answer: int(desk.entry(book.id).etag == Book.FromString(answer).etag),
    )


def removing(desk: Desk) -> Case:
    book = desk.book()
    return Case(
        admin_catalog.RemoveBookRequest(id=book.id),
        admin_catalog.RemoveBookRequest(id=book.id, withdraw=True),
        lambda answer: None,  # nothing changes a removed book
        lambda answer: int(desk.entry(book.id).etag == Book.FromString(answer).etag),
    )


def creating_an_item(desk: Desk) -> Case:
    book = desk.book(copies=1)

    def request(shelf: str) -> Any:
        return inventory_service_pb2.CreateItemRequest(item=Item(book_id=book.id, shelf=shelf))

    def withdraw(answer: bytes) -> None:
        desk.inventory.WithdrawItem(inventory_service_pb2.WithdrawItemRequest(id=Item.FromString(answer).id))

    return Case(request("A"), request("B"), withdraw, lambda answer: len(desk.items_on(book.id, "A")))


def creating_items(desk: Desk) -> Case:
    book = desk.book(copies=1)

    def request(shelf: str) -> Any:
        item = Item(book_id=book.id, shelf=shelf)
        return inventory_service_pb2.BatchCreateItemsRequest(item=item, count=2)

    def withdraw(answer: bytes) -> None:
        for item in inventory_service_pb2.BatchCreateItemsResponse.FromString(answer).items:
            desk.inventory.WithdrawItem(inventory_service_pb2.WithdrawItemRequest(id=item.id))

    return Case(request("A"), request("B"), withdraw, lambda answer: len(desk.items_on(book.id, "A")) // 2)


def updating_an_item(desk: Desk) -> Case:
    [item] = desk.items_on(desk.book(copies=1).id, "")

    def request(note: str) -> Any:
        mask = FieldMask(paths=["note"])
        return inventory_service_pb2.UpdateItemRequest(item=Item(id=item.id, note=note), update_mask=mask)

    return Case(
        request("Torn"),
        request("Repaired"),
        lambda answer: desk.inventory.UpdateItem(request("Torn again")),
        lambda answer: int(desk.item_now(item.id).etag == Item.FromString(answer).etag),
    )


def withdrawing_an_item(desk: Desk) -> Case:
    first, second = desk.items_on(desk.book(copies=2).id, "")
    return Case(
        inventory_service_pb2.WithdrawItemRequest(id=first.id),
        inventory_service_pb2.WithdrawItemRequest(id=second.id),
        lambda answer: None,  # nothing changes a withdrawn item
        lambda answer: int(desk.item_now(first.id).etag == Item.FromString(answer).etag),
    )


def undoing(desk: Desk) -> Case:
    ids = [str(uuid.uuid4()) for _ in range(2)]
    for run_id in ids:
        row = admin_catalog.ImportBooksRequest(
            line=1,
            book=admin_catalog.AddBookRequest(title="Emma"),
            options=admin_catalog.ImportOptions(run_id=run_id),
        )
        desk.admin.catalog.ImportBooks(iter([row]))

    def count(answer: bytes) -> int:
        [outcome] = admin_catalog.UndoImportResponse.FromString(answer).outcomes
        return int(desk.entry(outcome.book_id).state == BOOK_STATE_REMOVED)

    return Case(
        admin_catalog.UndoImportRequest(run_id=ids[0]),
        admin_catalog.UndoImportRequest(run_id=ids[1]),
        lambda answer: None,  # nothing changes a removed book
        count,
    )


def updating_a_user(desk: Desk) -> Case:
    user = desk.user()

    def request(first_name: str) -> Any:
        mask = FieldMask(paths=["first_name"])
        return member_service_pb2.UpdateUserRequest(user=User(id=user.id, first_name=first_name), update_mask=mask)

    return Case(
        request("Augusta"),
        request("Adele"),
        lambda answer: desk.frontend.members.UpdateUser(request("Annabella")),
        lambda answer: int(desk.user_now(user.id).etag == User.FromString(answer).etag),
    )


def closing(desk: Desk) -> Case:
    user, other = desk.user(), desk.user()
    return Case(
        member_service_pb2.CloseUserRequest(id=user.id),
        member_service_pb2.CloseUserRequest(id=other.id),
        lambda answer: None,  # nothing changes a closed account
        lambda answer: int(desk.user_now(user.id).etag == User.FromString(answer).etag),
    )


def blocking(desk: Desk) -> Case:
    user = desk.user()

    def request(reason: str) -> Any:
        return member_service_pb2.BlockUserRequest(user_id=user.id, reason=reason)

    return Case(
        request("Damaged book"),
        request("Lost book"),
        lambda answer: desk.frontend.members.BlockUser(request("Bill not paid")),
        lambda answer: sum(block.reason == "Damaged book" for block in desk.user_now(user.id).blocks),
    )


def unblocking(desk: Desk) -> Case:
    user = desk.user()
    for _ in range(2):
        block = member_service_pb2.BlockUserRequest(user_id=user.id, reason="Damaged book")
        user = desk.frontend.members.BlockUser(block)
    first, second = (member_service_pb2.UnblockUserRequest(user_id=user.id, block_id=block.id) for block in user.blocks)
    return Case(
        first,
        second,
        lambda answer: desk.frontend.members.BlockUser(block),
        lambda answer: int(first.block_id not in {block.id for block in desk.user_now(user.id).blocks}),
    )


def erasing(desk: Desk) -> Case:
    user, other = desk.user(), desk.user()
    return Case(
        member_service_pb2.EraseUserRequest(user_id=user.id),
        member_service_pb2.EraseUserRequest(user_id=other.id),
        lambda answer: None,  # nothing changes an erased user
        lambda answer: int(desk.user_now(user.id).etag == User.FromString(answer).etag),
    )


def anonymizing(desk: Desk) -> Case:
    loan = desk.loan()
    desk.frontend.lending.ReturnBook(lending_service_pb2.ReturnBookRequest(loan_id=loan.id))
    before = Timestamp()
    before.GetCurrentTime()
    return Case(
        member_service_pb2.AnonymizeLoansRequest(before=before),
        member_service_pb2.AnonymizeLoansRequest(before=Timestamp(seconds=before.seconds - 1)),
        lambda answer: desk.loan(),
        lambda answer: int(desk.loan_now(loan.id).user_id == ""),
    )


def importing_an_external_book(desk: Desk) -> Case:
    def request() -> Any:
        edition = f"OL{next(NUMBERS)}M"
        desk.source.on(f"/books/{edition}.json", json_answer({"key": f"/books/{edition}", "title": f"Emma {edition}"}))
        return import_service_pb2.ImportExternalBookRequest(source="open_library", external_id=edition, copies=2)

    def book_of(answer: bytes) -> Book:
        return import_service_pb2.ImportExternalBookResponse.FromString(answer).book

    def change(answer: bytes) -> None:
        update = admin_catalog.UpdateBookRequest(book=Book(id=book_of(answer).id, publisher="Ace"))
        desk.admin.catalog.UpdateBook(update)

    def count(answer: bytes) -> int:
        same = desk.admin.catalog.ListBooks(admin_catalog.ListBooksRequest(query=book_of(answer).title)).books
        return sum(book.total_copies for book in same) // 2

    return Case(request(), request(), change, count)


CASES: dict[str, Callable[[Desk], Case]] = {
    "library.admin.v1.CatalogService/AddBook": adding,
    "library.admin.v1.CatalogService/RemoveBook": removing,
    "library.admin.v1.CatalogService/UndoImport": undoing,
    "library.admin.v1.InventoryService/CreateItem": creating_an_item,
    "library.admin.v1.InventoryService/BatchCreateItems": creating_items,
    "library.admin.v1.InventoryService/UpdateItem": updating_an_item,
    "library.admin.v1.InventoryService/WithdrawItem": withdrawing_an_item,
    "library.admin.v1.CatalogService/UpdateBook": updating,
    "library.admin.v1.ImportService/ImportExternalBook": importing_an_external_book,
    **POLICY_CASES,
    **STAFF_CASES,
    **DESK_CASES,
    "library.frontend.v1.LendingService/BorrowBook": borrowing,
    "library.frontend.v1.LendingService/RenewLoan": renewing,
    "library.frontend.v1.LendingService/ReturnBook": returning,
    "library.frontend.v1.MemberService/AnonymizeLoans": anonymizing,
    "library.frontend.v1.MemberService/BlockUser": blocking,
    "library.frontend.v1.MemberService/CloseUser": closing,
    "library.frontend.v1.MemberService/EnrollUser": enrolling,
    "library.frontend.v1.MemberService/EraseUser": erasing,
    "library.frontend.v1.MemberService/UnblockUser": unblocking,
    "library.frontend.v1.MemberService/UpdateUser": updating_a_user,
}
