"""An admin without a server around it: its use cases on a store, with shorthands for what many tests do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.books import catalog, listing
from admin_server.intake import imports, runs, undo
from admin_server.intake.imports import LIMITS, ImportLimits
from admin_server.inventory import items
from admin_server.inventory import listing as items_listing
from admin_server.reports import loans as loan_reports
from admin_server.reports import users as user_reports
from admin_server.sync import changes, records
from admin_server.sync.epochs import begin_epoch
from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    ImportBooksRequest,
    ImportOptions,
    ImportOutcome,
    ImportRun,
    ListBooksRequest,
    ListImportRunsRequest,
    RemoveBookRequest,
    UndoImportRequest,
    UndoOutcome,
    UpdateBookRequest,
)
from library.admin.v1.inventory_service_pb2 import (
    CreateItemRequest,
    ListItemsRequest,
    UpdateItemRequest,
    WithdrawItemRequest,
)
from library.admin.v1.loan_service_pb2 import ListLoansRequest, ListUnavailableBooksRequest
from library.admin.v1.user_service_pb2 import Borrower, ListBorrowersRequest, ListUsersRequest
from library.sync.v1.sync_service_pb2 import (
    CatalogChange,
    ListCatalogChangesRequest,
    ListCatalogChangesResponse,
    RecordStatesRequest,
    RecordStatesResponse,
    State,
)
from library.v1.book_pb2 import Book
from library.v1.item_pb2 import Item
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import USER_STATE_ACTIVE, User
from service_kit.clock import DAY, timestamp
from service_kit.ids import new_id
from service_kit.paging import ListRequest
from service_kit.store import Store
from tests.support.clients import CREDENTIALS
from tests.support.clocks import SettableClock

FRONTEND = CREDENTIALS.frontend_id
"""The frontend whose rows are recorded, unless a test names another one."""


Listed = TypeVar("Listed")


class Admin:
    """The use cases of the admin on one store, at a time that the test sets."""

    def __init__(self, store: Store, clock: SettableClock, *, runs_on: bool = False) -> None:
        """Begin an epoch, as a server does when it starts; unless it runs on, and only the test was away."""
        self.store = store
        self.clock = clock
        if not runs_on:
            self.restart()

    def restart(self) -> None:
        """Do what a start of the server does to the store."""
        begin_epoch(self.store, self.clock)

    def add(self, title: str, **fields: Any) -> Book:
        """Add a book; `fields` as AddBookRequest has them."""
        return catalog.add_book(self.store, AddBookRequest(title=title, **fields), self.clock)

    def get(self, book_id: str) -> Book:
        """Get a book."""
        return listing.get_book(self.store, book_id)

    def update(self, book: Book, *paths: str, request_id: str = "") -> Book:
        """Update a book by a mask of these paths."""
        request = UpdateBookRequest(book=book, update_mask=FieldMask(paths=paths), request_id=request_id)
        return catalog.update_book(self.store, request, self.clock)

    def remove(self, book_id: str, *, withdraw: bool = False, request_id: str = "") -> Book:
        """Remove a book."""
        request = RemoveBookRequest(id=book_id, withdraw=withdraw, request_id=request_id)
        return catalog.remove_book(self.store, request, self.clock)

    def import_rows(
        self,
        *books: AddBookRequest,
        validate_only: bool = False,
        options: ImportOptions | None = None,
        limits: ImportLimits = LIMITS,
    ) -> list[ImportOutcome]:
        """Import these books, with lines from 1 on."""
        rows = [
            ImportBooksRequest(line=line, book=book, validate_only=validate_only, options=options)
            for line, book in enumerate(books, 1)
        ]
        return imports.import_books(self.store, rows, self.clock, limits)

    def undo(self, run_id: str, page_size: int = 0) -> list[UndoOutcome]:
        """Take back a run, page after page."""
        found: list[UndoOutcome] = []
        request = UndoImportRequest(run_id=run_id, page_size=page_size)
        while True:
            page = undo.undo_import(self.store, request, self.clock)
            found += page.outcomes
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    def import_runs(self, page_size: int = 0) -> list[ImportRun]:
        """List all runs of imports, page after page."""
        request = ListImportRunsRequest(page_size=page_size)
        return every_page(lambda: runs.list_import_runs(self.store, request), request)

    def books(self, page_size: int = 0, **filters: Any) -> list[Book]:
        """List all books, page after page."""
        request = ListBooksRequest(page_size=page_size, **filters)
        return every_page(lambda: listing.list_books(self.store, request), request)

    def titles(self, **filters: Any) -> list[str]:
        """List the titles of all books."""
        return [book.title for book in self.books(**filters)]

    def items(self, page_size: int = 0, **filters: Any) -> list[Item]:
        """List all items, page after page."""
        request = ListItemsRequest(page_size=page_size, **filters)
        return every_page(lambda: items_listing.list_items(self.store, request), request)

    def create_item(self, book_id: str, request_id: str = "", **fields: Any) -> Item:
        """Create an item; `fields` as Item has them."""
        request = CreateItemRequest(item=Item(book_id=book_id, **fields), request_id=request_id)
        return items.create_item(self.store, request, self.clock)

    def update_item(self, item: Item, *paths: str) -> Item:
        """Update an item by a mask of these paths."""
        request = UpdateItemRequest(item=item, update_mask=FieldMask(paths=paths))
        return items.update_item(self.store, request, self.clock)

    def withdraw_item(self, item_id: str, *, force: bool = False, etag: str = "") -> Item:
        """Withdraw an item."""
        request = WithdrawItemRequest(id=item_id, force=force, etag=etag)
        return items.withdraw_item(self.store, request, self.clock)

    def unavailable(self, page_size: int = 0) -> list[Book]:
        """List all books that cannot be borrowed, page after page."""
        request = ListUnavailableBooksRequest(page_size=page_size)
        return every_page(lambda: listing.list_unavailable_books(self.store, request), request)

    def users(self, page_size: int = 0, **filters: Any) -> list[User]:
        """List all users, page after page."""
        request = ListUsersRequest(page_size=page_size, **filters)
        return every_page(lambda: user_reports.list_users(self.store, request), request)

    def borrowers(self, page_size: int = 0) -> list[Borrower]:
        """List all borrowers, page after page."""
        request = ListBorrowersRequest(page_size=page_size)
        return every_page(lambda: user_reports.list_borrowers(self.store, request, self.clock), request)

    def loans(self, page_size: int = 0, **filters: Any) -> list[Loan]:
        """List all loans, page after page."""
        request = ListLoansRequest(page_size=page_size, **filters)
        return every_page(lambda: loan_reports.list_loans(self.store, request, self.clock), request)

    def page_of_changes(self, cursor: str = "", receipt: str = "", page_size: int = 0) -> ListCatalogChangesResponse:
        """One page of what changed since the cursor."""
        request = ListCatalogChangesRequest(cursor=cursor, receipt=receipt, page_size=page_size)
        return changes.list_catalog_changes(self.store, request)

    def changes(self, cursor: str = "", page_size: int = 0, kind: str = "book") -> tuple[list[CatalogChange], str]:
        """All changes of books, or of another kind, since the cursor, page after page, and the cursor after it."""
        found, cursor = self.all_changes(cursor, page_size)
        return [change for change in found if change.WhichOneof("change") == kind], cursor

    def all_changes(self, cursor: str = "", page_size: int = 0) -> tuple[list[CatalogChange], str]:
        """All that changed since the cursor, page after page, and the cursor after it."""
        found: list[CatalogChange] = []
        while True:
            page = self.page_of_changes(cursor, page_size=page_size)
            found += page.changes
            cursor = page.next_cursor
            if not page.has_more:
                return found, cursor

    def record(self, *states: State, frontend_id: str = FRONTEND) -> RecordStatesResponse:
        """Record rows as a frontend pushes them."""
        return records.record_states(self.store, RecordStatesRequest(frontend_id=frontend_id, states=states))

    def user_record(self, revision: int = 1, **fields: Any) -> State:
        """A user that can be recorded; `fields` as User has them."""
        now = timestamp(self.clock())
        values = {"id": new_id(), "email": "a@example.org", "first_name": "Ada", "last_name": "L", **fields}
        return State(revision=revision, user=User(state=USER_STATE_ACTIVE, create_time=now, update_time=now, **values))

    def loan_record(self, revision: int = 1, days: int = 14, returned: bool = False, **fields: Any) -> State:
        """A loan that can be recorded, made now for `days`; `fields` as Loan has them."""
        now = self.clock()
        values = {"id": new_id(), "book_id": new_id(), "user_id": new_id(), "book_title": "T", **fields}
        loan = Loan(days=days, borrow_time=timestamp(now), due_time=timestamp(now + days * DAY), **values)
        if returned:
            loan.return_time.CopyFrom(timestamp(now))
        return State(revision=revision, loan=loan)


def every_page(list_page: Callable[[], tuple[list[Listed], str]], request: ListRequest) -> list[Listed]:
    """Ask for page after page, each with the token of the one before; return all items."""
    found: list[Listed] = []
    while True:
        listed, request.page_token = list_page()
        found += listed
        if not request.page_token:
            return found
