"""What librarians ask for: books to add, change, remove and import."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.admin.v1 import user_service_pb2
from library.frontend.v1 import catalog_service_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from tests.soak.desk import WORDS, Desk, Plan, is_as

LIVE_BOOKS, IMPORTED_BOOKS = 25, 300
"""How many books of its own and imported books a caller has at most."""


def add_book(desk: Desk) -> Plan | None:
    own = [book for book in desk.ledger.books.values() if book.last.state != BOOK_STATE_REMOVED]
    if len(own) >= LIVE_BOOKS:
        return None
    with_isbn = [book for book in own if book.last.isbn and book.is_settled]
    if with_isbn and desk.chance.random() < 0.1:
        taken = admin_catalog.AddBookRequest(title="A double", isbn=desk.chance.choice(with_isbn).last.isbn)
        return Plan([taken], makes=True, refusals=frozenset({"ISBN_TAKEN"}), must_be_refused=True)
    request = _new_book(desk)
    return Plan([request], makes=True, check=lambda book: "" if book.title == request.title else f"added {book}")


def update_book(desk: Desk) -> Plan | None:
    shared = desk.chance.random() < 0.3
    entry = desk.some(desk.ledger.books, lambda book: book.id in desk.own_shared) if shared else desk.own_book()
    if entry is None:
        return None
    book, path = Book(id=entry.last.id), desk.chance.choice(["title", "description", "total_copies", "state"])
    value: Any
    match path:
        case "title":
            value = desk.title()
        case "description":
            value = "A long story. " * desk.chance.randint(1, 200) + desk.new_id()
        case "total_copies":
            value = min(entry.last.total_copies + 1, 4)
        case _:
            value = desk.chance.choice([BOOK_STATE_ACTIVE, BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE])
    setattr(book, path, value)
    expected = str(value).strip() if isinstance(value, str) else value
    return Plan(
        [admin_catalog.UpdateBookRequest(book=book, update_mask=FieldMask(paths=[path]))],
        about=entry,
        check=lambda now: "" if getattr(now, path) == expected else f"{path} is not {value}: {now}",
    )


def remove_book(desk: Desk) -> Plan | None:
    entry = desk.own_book()
    if entry is None:
        return None
    book_id, withdraw = entry.last.id, desk.chance.random() < 0.5
    lent = any(loan.last.book_id == book_id for loan in desk.ledger.loans.values()) or any(
        getattr(request, "book_id", "") == book_id for request in desk.ledger.maybe_made
    )
    return Plan(
        [admin_catalog.RemoveBookRequest(id=book_id, withdraw=withdraw)],
        about=entry,
        refusals=frozenset({"BOOK_ON_LOAN"}) if lent and not withdraw else frozenset(),
        check=lambda book: "" if book.state == BOOK_STATE_REMOVED else f"not removed: {book}",
    )


def import_books(desk: Desk) -> Plan | None:
    room = IMPORTED_BOOKS - len(desk.ledger.imported) - len(desk.ledger.maybe_made)
    count = min(desk.chance.choice([1, 5, 20, 60]), max(room, 0))
    rows = [admin_catalog.ImportBooksRequest(book=_new_book(desk, isbn=desk.isbn())) for _ in range(count)]
    for _ in range(desk.chance.randint(0, 3)):
        bad = _new_book(desk, isbn="9780000000000")
        rows.append(admin_catalog.ImportBooksRequest(book=bad))
        rows.append(admin_catalog.ImportBooksRequest(book=_new_book(desk), validate_only=True))
    desk.chance.shuffle(rows)
    run_id = desk.new_id() if desk.chance.random() < 0.7 else ""
    for line, row in enumerate(rows, start=1):
        row.line = line
        row.options.run_id = run_id
    return Plan(rows, makes=True) if rows else None


def undo_unknown_import(desk: Desk) -> Plan:
    """Ask for what changes no book: the ledger would not know which ones."""
    request = admin_catalog.UndoImportRequest(run_id=desk.new_id())
    return Plan([request], refusals=frozenset({"IMPORT_RUN_NOT_FOUND"}), must_be_refused=True)


def get_entry(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.books)
    if entry is None:
        return None
    return Plan([admin_catalog.GetBookRequest(id=entry.last.id)], check=is_as(entry.last))


def get_recorded_user(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.users)
    request = user_service_pb2.GetUserRequest(id=entry.last.id if entry else desk.new_id())
    return Plan([request], refusals=frozenset({"USER_NOT_FOUND"}))


def get_book(desk: Desk) -> Plan | None:
    own = desk.own_book() if desk.chance.random() < 0.3 else None
    book = own.last if own else desk.chance.choice(desk.shared)
    refusals = frozenset({"BOOK_NOT_FOUND"}) if own else frozenset()
    return Plan([catalog_service_pb2.GetBookRequest(id=book.id)], refusals=refusals)


def _new_book(desk: Desk, isbn: str = "") -> Any:
    return admin_catalog.AddBookRequest(
        title=desk.title(),
        authors=[desk.chance.choice(WORDS)],
        isbn=isbn or (desk.isbn() if desk.chance.random() < 0.3 else ""),
        publisher=f"Publisher {desk.chance.randint(1, 20)}",
        category=f"Category {desk.chance.randint(1, 20)}",
        copies=desk.chance.randint(1, 3),
    )
