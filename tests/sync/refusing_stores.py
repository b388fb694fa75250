"""A frontend's store that refuses some books, and what is set aside because of it."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.books.catalog import update_book
from frontend_server.store.models import SetAside
from frontend_server.sync.pull import pull
from library.admin.v1.catalog_service_pb2 import UpdateBookRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1.book_pb2 import Book
from tests.support.stores import Engine
from tests.sync.libraries import Library

BAD = "Bad"
"""A title that the faults below refuse."""

TRIGGERS: dict[Engine, dict[str, str]] = {
    "sqlite": {
        "a trigger that aborts": "SELECT RAISE(ABORT, 'not here')",
        "a trigger that fails": "SELECT RAISE(FAIL, 'not here')",
        "a trigger that rolls the whole transaction back": "SELECT RAISE(ROLLBACK, 'not here')",
        "a trigger with a fault": "SELECT abs(-9223372036854775808)",
    },
    "postgresql": {
        "a trigger that raises": "RAISE EXCEPTION 'not here' USING DETAIL = 'Rita Reader, rita@example.org'",
        "a trigger that raises like an outage": "RAISE EXCEPTION 'not here' USING ERRCODE = '54000'",
        "a trigger with a fault": "PERFORM 1 / 0",
        "a trigger without its function": "PERFORM no_such_function()",
        "a trigger that checks at the commit": "RAISE EXCEPTION 'not here'",
    },
}

HARDEST: dict[Engine, str] = {
    "sqlite": "a trigger that rolls the whole transaction back",
    "postgresql": "a trigger that checks at the commit",
}
"""Of those, the ones that end the transaction."""


def refuse(library: Library, engine: Engine, trigger: str) -> None:
    """Let the frontend's store refuse every book of the title `BAD`."""
    with library.frontend.at_work() as store, store.reading():
        for statement in refusals(engine, trigger):
            store.database.execute_sql(statement)


def allow(library: Library, engine: Engine) -> None:
    """Undo `refuse`."""
    with library.frontend.at_work() as store, store.reading():
        for statement in permissions(engine):
            store.database.execute_sql(statement)


def refusals(engine: Engine, trigger: str) -> list[str]:
    """The statements that make a frontend's store refuse every book of the title `BAD`."""
    body = TRIGGERS[engine][trigger]
    if engine == "sqlite":
        return [
            f"CREATE TRIGGER bad_{event} BEFORE {event} ON book WHEN new.title = '{BAD}' BEGIN {body}; END"
            for event in ("insert", "update")
        ]
    deferred = trigger == "a trigger that checks at the commit"
    kind, when = ("CONSTRAINT TRIGGER", "AFTER") if deferred else ("TRIGGER", "BEFORE")
    constraint = "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
    return [
        f"CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN new; END $$",
        f"""CREATE {kind} bad {when} INSERT OR UPDATE ON book {constraint} FOR EACH ROW
            WHEN (new.title = '{BAD}') EXECUTE FUNCTION bad()""",
    ]


def permissions(engine: Engine) -> list[str]:
    """The statements that undo `refusals`."""
    if engine == "sqlite":
        return ["DROP TRIGGER bad_insert", "DROP TRIGGER bad_update"]
    return ["DROP TRIGGER bad ON book"]


def aside(library: Library) -> list[SetAside]:
    """What is set aside, in the order in which it was."""
    with library.frontend.at_work() as store, store.reading():
        return list(SetAside.select().order_by(SetAside.key))


def change(library: Library, book: Book, title: str = "", copies: int = 0) -> None:
    paths = [*(["title"] if title else []), *(["total_copies"] if copies else [])]
    changed = Book(id=book.id, title=title, total_copies=copies)
    with library.admin.at_work() as store:
        update_book(store, UpdateBookRequest(book=changed, update_mask=FieldMask(paths=paths)), library.clock)


def pull_altered(library: Library, alter: Callable[[CatalogChange], object]) -> None:
    """Pull from an admin whose changes are altered on the way."""

    def fetch(request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
        page: ListCatalogChangesResponse = library.fetch(request)
        for each in page.changes:
            alter(each)
        return page

    with library.frontend.at_work() as store:
        pull(store, fetch, library.clock)
