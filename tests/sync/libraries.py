"""A whole library in one process: both services' own functions on real stores, and between them a wire that can fail.

Every request and reply crosses the wire as bytes. What a server process does at its start (bind its models, begin an
epoch, introduce itself) is done here, too, so a store can be closed, restored and opened again as with a process.
"""

from __future__ import annotations

import contextlib
import enum
import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import grpc
import peewee
from google.protobuf.message import Message

import admin_server.store.models
import frontend_server.store.models
from admin_server.books.catalog import add_book
from admin_server.books.messages import catalog_message
from admin_server.sync.changes import page_of_changes
from admin_server.sync.epochs import begin_epoch
from admin_server.sync.listed_kind import ListedKinds
from admin_server.sync.listed_kinds import LISTED_KINDS
from admin_server.sync.pairing import check_caller
from admin_server.sync.recorded_kinds import RECORDED_KINDS, RecordedKind
from admin_server.sync.records import record_states
from frontend_server.circulation.checkout import borrow_book
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.members.members import enroll_user
from frontend_server.store.models import ensure_frontend_id, own_credentials
from frontend_server.sync.messages import parse_page
from frontend_server.sync.pull import PAGE_SIZE, pull
from frontend_server.sync.pulled_kind import PulledKinds
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.push import BATCH_ROWS, push
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, PushedKind
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import (
    ListCatalogChangesRequest,
    RecordStatesRequest,
    RecordStatesResponse,
)
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from service_kit.errors import ServiceError, rich_status
from service_kit.revisions import Counter
from service_kit.store import Store, is_unavailable, open_store
from service_kit.validation import check
from tests.support.clients import STATUS_DETAILS
from tests.support.clocks import SettableClock
from tests.support.stores import PATIENT, Engine, FreshDatabases, ServerName

RULES = LendingRules(loan_limit=6, daily_fine=DailyFine.parse("0.20 EUR"))

MODELS = {"admin": admin_server.store.models, "frontend": frontend_server.store.models}

Rows = list[tuple[Any, ...]]
Contents = dict[str, Rows]
"""The contents of a store: the rows of each table, by its name, in the order of their keys."""

Reply = TypeVar("Reply", bound=Message)


class WireError(grpc.RpcError):
    """A call that failed, as a stub raises it."""

    def __init__(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        super().__init__(f"{code.name}: {details}")
        self._code, self._details, self._trailing_metadata = code, details, trailing_metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._trailing_metadata


class Side:
    """One server's store, open as its process would have it."""

    def __init__(
        self, name: ServerName, databases: FreshDatabases, engine: Engine, more_tables: Sequence[type[peewee.Model]]
    ) -> None:
        self.name = name
        self._databases = databases
        self._bind = MODELS[name].bind
        self._more_tables = more_tables
        self._models = [*MODELS[name].MODELS, *more_tables]
        self.url = databases.migrated(name, engine)
        self.store = self.opened()
        with self.store.reading():
            self.store.database.create_tables(more_tables)

    def opened(self) -> Store:
        """Open the store at `url`, and let the models work on it."""
        store = open_store(self.url, times=PATIENT)
        with self._counting(store):
            self._bind(store)
        store.database.bind(self._more_tables)
        if not store.is_postgresql:
            store.database.execute_sql("PRAGMA synchronous = off")  # no power cut is tested here
        return store

    @contextlib.contextmanager
    def at_work(self) -> Iterator[Store]:
        """Let this side work: both count revisions by one model, each in a process of its own, but not here."""
        with self._counting(self.store):
            yield self.store

    @contextlib.contextmanager
    def _counting(self, store: Store) -> Iterator[None]:
        before = Counter._meta.database
        Counter._meta.set_database(store.database)
        try:
            yield
        finally:
            Counter._meta.set_database(before)

    def close(self) -> None:
        self.store.close()
        self._databases.leave(self.name, self.url)

    def backup(self) -> str:
        """A copy of the store, made while nobody is connected; its URL."""
        self.store.close()
        return self._databases.copy(self.url)

    def restore(self, backup: str) -> None:
        """Put the backup in the place of the store."""
        self.store.close()
        self.url = self._databases.copy(backup)
        self.store = self.opened()

    def contents(self) -> Contents:
        """All rows of all tables."""
        with self.at_work(), self.store.snapshot():
            return {
                model._meta.table_name: list(model.select().order_by(*model._meta.get_primary_keys()).tuples())
                for model in self._models
            }

    def put_back(self, contents: Contents) -> None:
        """Make the store hold just these rows: quicker than `restore`, for tests that do it often."""
        with self.at_work(), self.store.writing():
            for model in self._models:
                model.delete().execute()
                rows = contents[model._meta.table_name]
                if rows:
                    model.insert_many(rows, fields=model._meta.sorted_fields).execute()


class Fault(enum.Enum):
    """What can become of a call."""

    NONE = "it goes well"
    REQUEST_LOST = "the request is lost"
    REPLY_LOST = "the request is served, the reply is lost"
    TWICE = "the request is served twice"
    LATE = "the caller gives up, the request is served later"
    MEANWHILE = "the reply is on its way while something else happens"


class Wire:
    """The calls from a frontend to an admin, each with the fault that is next in line."""

    def __init__(self, admin: Side, frontend: Side) -> None:
        self._admin, self._frontend = admin, frontend
        self.is_cut = False
        self.faults: deque[Fault] = deque()
        self.late: list[Callable[[], object]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.sent: list[Message] = []

    def list_catalog_changes(
        self, request: ListCatalogChangesRequest, *, listed: ListedKinds[Any], pulled: PulledKinds
    ) -> Any:
        serve = functools.partial(page_of_changes, kinds=listed)
        return self._call(serve, request, functools.partial(parse_page, kinds=pulled))

    def record_states(
        self, request: RecordStatesRequest, *, recorded: Sequence[RecordedKind], request_type: type[Any]
    ) -> RecordStatesResponse:
        """Record rows at an admin that knows these kinds, and reads requests as of this type."""
        serve = functools.partial(record_states, kinds=recorded)
        return self._call(serve, request, RecordStatesResponse.FromString, request_type)

    def _call(
        self,
        serve: Callable[[Store, Any], Reply],
        request: Message,
        parse: Callable[[bytes], Reply],
        request_type: type[Any] | None = None,
    ) -> Reply:
        kept = request.SerializeToString()
        metadata = own_credentials(self._frontend.store).metadata()
        self.sent.append(request)

        def served() -> Reply:
            return self._served(serve, (request_type or type(request)).FromString(kept), parse, metadata)

        fault = self.faults.popleft() if self.faults else Fault.NONE
        if self.is_cut or fault is Fault.REQUEST_LOST:
            raise WireError(grpc.StatusCode.UNAVAILABLE, "connection refused")
        if fault is Fault.LATE:
            self.late.append(served)
            raise WireError(grpc.StatusCode.DEADLINE_EXCEEDED, "deadline exceeded")
        reply = served()
        if fault is Fault.TWICE:
            reply = served()
        if fault is Fault.MEANWHILE:
            self.meanwhile()
        if fault is Fault.REPLY_LOST:
            raise WireError(grpc.StatusCode.UNAVAILABLE, "connection reset")
        return reply

    def _served(
        self, serve: Callable[[Store, Any], Reply], request: Message, parse: Callable[[bytes], Reply], metadata: Any
    ) -> Reply:
        try:
            with self._admin.at_work() as store:
                check_caller(store, metadata, request)
                check(request)
                reply = serve(store, request)
        except ServiceError as error:
            status = rich_status(error, "request-1").SerializeToString()
            raise WireError(error.status, str(error), ((STATUS_DETAILS, status),)) from error
        except peewee.PeeweeException as error:  # as service_kit.servicer answers it
            code = grpc.StatusCode.UNAVAILABLE if is_unavailable(error) else grpc.StatusCode.INTERNAL
            raise WireError(code, "something went wrong on the server") from error
        return parse(reply.SerializeToString())


BOOKS_ALONE = ListedKinds(LISTED_KINDS.page_type, [kind for kind in LISTED_KINDS.kinds if kind.name == "book"])
"""For tests that count the changes of books: without those of their items, as an older admin lists them."""


class Library:
    """Both sides, the wire between them, and one clock."""

    def __init__(
        self,
        databases: FreshDatabases,
        engine: Engine,
        *,
        start: bool = True,
        page_size: int = PAGE_SIZE,
        batch_rows: int = BATCH_ROWS,
        more_tables: Mapping[ServerName, Sequence[type[peewee.Model]]] = MappingProxyType({}),
    ) -> None:
        self._page_size, self._batch_rows = page_size, batch_rows
        self.listed_kinds: ListedKinds[Any] = LISTED_KINDS
        self.pulled_kinds = PULLED_KINDS
        self.clock = SettableClock()
        self.pushed_kinds: Sequence[PushedKind] = PUSHED_KINDS
        self.recorded_kinds: Sequence[RecordedKind] = RECORDED_KINDS
        self.request_type: type[Any] = RecordStatesRequest
        self.admin = Side("admin", databases, engine, more_tables.get("admin", ()))
        self.frontend = Side("frontend", databases, engine, more_tables.get("frontend", ()))
        self.wire = Wire(self.admin, self.frontend)
        if start:
            self.start_admin()
            self.start_frontend()

    def close(self) -> None:
        self.admin.close()
        self.frontend.close()

    def start_admin(self) -> None:
        """What an admin process does at its start."""
        with self.admin.at_work() as store:
            begin_epoch(store, self.clock)

    def start_frontend(self) -> None:
        """What a frontend process does at its start."""
        with self.frontend.at_work() as store:
            ensure_frontend_id(store)

    def pull(self) -> int:
        with self.frontend.at_work() as store:
            return pull(store, self.fetch, self.clock, self.pulled_kinds, self._page_size, self.pushed_kinds)

    def fetch(self, request: ListCatalogChangesRequest) -> Any:
        """Fetch a page of the catalogue over the wire."""
        return self.wire.list_catalog_changes(request, listed=self.listed_kinds, pulled=self.pulled_kinds)

    def push(self) -> int:
        with self.frontend.at_work() as store:
            return push(store, self.record, self.clock, kinds=self.pushed_kinds, batch_rows=self._batch_rows)

    def record(self, request: RecordStatesRequest) -> RecordStatesResponse:
        """Push rows over the wire."""
        return self.wire.record_states(request, recorded=self.recorded_kinds, request_type=self.request_type)

    def sync(self) -> None:
        """Pull and push, as the schedule does when nothing fails, until there is nothing left to do."""
        self.wire.faults.clear()
        for _ in range(20):
            before = self.admin.contents(), self.frontend.contents()
            self.pull()
            self.push()
            if (self.admin.contents(), self.frontend.contents()) == before:
                return
        raise AssertionError("the sync does not come to rest")

    # --- changes, each in a transaction of its own ---

    def add_book(self, title: str, copies: int = 1) -> Book:
        with self.admin.at_work() as store:
            return add_book(store, AddBookRequest(title=title, copies=copies), self.clock)

    def enroll(self, name: str) -> User:
        request = EnrollUserRequest(email=f"{name}@example.org", first_name=name, last_name="Reader")
        with self.frontend.at_work() as store:
            return enroll_user(store, request, self.clock)

    def lend(self, book: Book, user_id: str) -> Loan:
        request = BorrowBookRequest(book_id=book.id, user_id=user_id, days=7)
        with self.frontend.at_work() as store:
            return borrow_book(store, request, RULES, self.clock)

    # --- the contents of each side, for comparing ---

    def catalogue(self) -> dict[str, Book]:
        """The books in the admin's catalogue, without removed ones, as it sends them to the frontend."""
        book = admin_server.store.models.Book
        with self.admin.at_work():
            return {row.id: catalog_message(row) for row in book.select() if row.state != BOOK_STATE_REMOVED}

    def replica(self) -> dict[str, Book]:
        """The same as the frontend has it."""
        book = frontend_server.store.models.Book
        with self.frontend.at_work():
            rows = list(book.select())
        return {row.id: Book.FromString(row.message) for row in rows if row.state != BOOK_STATE_REMOVED}
