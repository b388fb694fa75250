"""What a caller can ask for next: for each method of the servers a request, and which answers to it are right.

`PLANS` has an entry for each method that reflection names; a method without one fails the soak.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.admin.v1 import loan_service_pb2, status_service_pb2, user_service_pb2
from library.frontend.v1 import catalog_service_pb2, lending_service_pb2, member_service_pb2, sync_service_pb2
from library.sync.v1 import sync_service_pb2 as sync
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from library.v1.user_pb2 import USER_STATE_ACTIVE, User
from tests.soak.ledger import Known, Ledger, is_open
from tests.soak.library import LOAN_LIMIT

USERS, LIVE_BOOKS, IMPORTED_BOOKS = 6, 25, 300
"""How many active users, books of its own and imported books a caller has at most."""

RENEWALS, DAYS = 3, 365

WORDS = ["Emma", "Persuasion", "Wuthering", "Heights", "Ørsted", "Łódź", "Кобзар", "山月記", "Ulysses", "Middlemarch"]

Check = Callable[[Any], str]
"""Takes an answer; returns what is wrong with it, or nothing."""


@dataclass
class Plan:
    """A call to make, or a stream of requests, and what to expect."""

    requests: list[Any]
    about: Known | None = None
    """What it changes."""
    makes: bool = False
    """Whether it makes a new user, loan or book."""
    refusals: frozenset[str] = frozenset()
    """Reasons for which it may be refused."""
    must_be_refused: bool = False
    check: Check | None = None
    retried: bool = False
    """Set when the requests were sent before."""

    @property
    def request(self) -> Any:
        """The request, or the first of a stream."""
        return self.requests[0]


@dataclass
class Desk:
    """What a caller plans with."""

    chance: random.Random
    ledger: Ledger
    shared: Sequence[Book]
    """Books that all borrow, with few copies."""
    own_shared: Sequence[str]
    """The ids of those that only this caller changes."""
    number: int
    made: int = 0
    tokens: dict[str, tuple[Message, str]] = field(default_factory=dict)
    """By method, the last list request and the token of its next page."""

    def new_id(self) -> str:
        """A UUID by chance."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def title(self) -> str:
        """A title that no other book has."""
        self.made += 1
        return f"{self.chance.choice(WORDS)} {self.chance.choice(WORDS)} no {self.number}x{self.made}"

    def isbn(self) -> str:
        """An ISBN that no other book has."""
        self.made += 1
        digits = f"979{self.number:02}{self.made:07}"
        weighted = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits))
        return f"{digits}{-weighted % 10}"

    def some(self, entries: dict[str, Known], fits: Callable[[Any], bool] = lambda last: True) -> Known | None:
        """A settled entry that fits, by chance."""
        fitting = [entry for entry in entries.values() if entry.is_settled and fits(entry.last)]
        return self.chance.choice(fitting) if fitting else None

    def user(self) -> Known | None:
        """A user who can borrow."""
        return self.some(self.ledger.users, lambda user: user.state == USER_STATE_ACTIVE)

    def own_book(self) -> Known | None:
        """A book of the catalogue that only this caller borrows and changes."""
        return self.some(
            self.ledger.books, lambda book: book.state != BOOK_STATE_REMOVED and book.id not in self.own_shared
        )


# --- patrons ---


def enroll(desk: Desk) -> Plan | None:
    active = [user for user in desk.ledger.users.values() if user.last.state == USER_STATE_ACTIVE and user.is_settled]
    if active and desk.chance.random() < 0.15:
        taken = desk.chance.choice(active).last.email.upper()
        request = member_service_pb2.EnrollUserRequest(email=taken, first_name="Another")
        return Plan([request], makes=True, refusals=frozenset({"EMAIL_TAKEN"}), must_be_refused=True)
    if len(active) >= USERS:
        return None
    email = f"{desk.new_id()}@example.org"
    return Plan(
        [member_service_pb2.EnrollUserRequest(email=email, first_name=desk.chance.choice(WORDS), last_name="Patron")],
        makes=True,
        check=lambda user: "" if user.email == email else f"enrolled {user.email} for {email}",
    )


def update_user(desk: Desk) -> Plan | None:
    entry = desk.user()
    if entry is None:
        return None
    user = User(id=entry.last.id)
    path = desk.chance.choice(["first_name", "last_name", "email"])
    value = f"{desk.new_id()}@example.org" if path == "email" else f"{desk.chance.choice(WORDS)} {desk.new_id()[:6]}"
    setattr(user, path, value)
    refusals: frozenset[str] = frozenset()
    wrong = desk.chance.random() < 0.1
    if wrong:
        user.etag, refusals = "1-1", frozenset({"ETAG_MISMATCH"})
    elif desk.chance.random() < 0.3:
        user.etag = entry.last.etag
    return Plan(
        [member_service_pb2.UpdateUserRequest(user=user, update_mask=FieldMask(paths=[path]))],
        about=entry,
        refusals=refusals,
        must_be_refused=wrong,
        check=lambda answer: "" if getattr(answer, path) == value else f"{path} is not {value}: {answer}",
    )


def close_user(desk: Desk) -> Plan | None:
    entry = desk.user()
    if entry is None or len(desk.ledger.users) < 3:
        return None
    loans = desk.ledger.open_loans_of(entry.last.id)
    borrows = bool(loans) or _may_have_borrowed(desk, entry.last.id)
    return Plan(
        [member_service_pb2.CloseUserRequest(id=entry.last.id)],
        about=entry,
        refusals=frozenset({"USER_HAS_LOANS"}) if borrows else frozenset(),
        must_be_refused=any(loan.is_settled for loan in loans),
    )


def get_user(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.users)
    return (
        None if entry is None else Plan([member_service_pb2.GetUserRequest(id=entry.last.id)], check=_is_as(entry.last))
    )


def borrow(desk: Desk) -> Plan | None:
    user = desk.user()
    own = desk.own_book() if desk.chance.random() < 0.2 else None
    book = own.last if own else desk.chance.choice(desk.shared)
    if user is None:
        return None
    out = len(desk.ledger.open_loans_of(user.last.id))
    refusals = {"NO_COPY_AVAILABLE", "BOOK_UNAVAILABLE"} | ({"BOOK_NOT_FOUND", "BOOK_REMOVED"} if own else set())
    if out >= LOAN_LIMIT or _may_have_borrowed(desk, user.last.id):
        refusals.add("LOAN_LIMIT_REACHED")
    request = lending_service_pb2.BorrowBookRequest(
        book_id=book.id, user_id=user.last.id, days=desk.chance.randint(1, 100)
    )

    def check(loan: Any) -> str:
        asked = (request.book_id, request.user_id, request.days)
        return "" if (loan.book_id, loan.user_id, loan.days) == asked else f"lent {loan} for {request}"

    full = sum(loan.is_settled for loan in desk.ledger.open_loans_of(user.last.id)) >= LOAN_LIMIT
    return Plan([request], makes=True, refusals=frozenset(refusals), must_be_refused=full, check=check)


def give_back(desk: Desk) -> Plan | None:
    if desk.chance.random() < 0.1:
        entry = desk.some(desk.ledger.loans, lambda loan: not is_open(loan))
        refusals = frozenset({"LOAN_RETURNED"})
    else:
        entry, refusals = desk.some(desk.ledger.loans, is_open), frozenset()
    return (
        None
        if entry is None
        else Plan(
            [lending_service_pb2.ReturnBookRequest(loan_id=entry.last.id)],
            about=entry,
            refusals=refusals,
            must_be_refused=bool(refusals),
            check=lambda loan: "" if loan.HasField("return_time") else f"returned, and is out: {loan}",
        )
    )


def renew(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans, is_open)
    if entry is None:
        return None
    loan, more = entry.last, desk.chance.randint(1, 60)
    refused = loan.renewal_count >= RENEWALS or loan.days + more > DAYS
    user = desk.ledger.users[loan.user_id]
    refusals = ({"RENEWAL_LIMIT_REACHED"} if refused else set()) | ({"USER_CLOSED"} if not user.is_settled else set())
    expected = (loan.days + more, loan.renewal_count + 1)
    return Plan(
        [lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=more)],
        about=entry,
        refusals=frozenset(refusals),
        must_be_refused=refused,
        check=lambda now: "" if (now.days, now.renewal_count) == expected else f"not renewed by {more}: {now}",
    )


def get_loan(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans)
    if entry is None:
        return None
    return Plan([lending_service_pb2.GetLoanRequest(id=entry.last.id)], check=_is_as(entry.last))


# --- librarians ---


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
    for line, row in enumerate(rows, start=1):
        row.line = line
    return Plan(rows, makes=True) if rows else None


def get_entry(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.books)
    if entry is None:
        return None
    return Plan([admin_catalog.GetBookRequest(id=entry.last.id)], check=_is_as(entry.last))


def get_recorded_user(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.users)
    request = user_service_pb2.GetUserRequest(id=entry.last.id if entry else desk.new_id())
    return Plan([request], refusals=frozenset({"USER_NOT_FOUND"}))


def get_book(desk: Desk) -> Plan | None:
    own = desk.own_book() if desk.chance.random() < 0.3 else None
    book = own.last if own else desk.chance.choice(desk.shared)
    refusals = frozenset({"BOOK_NOT_FOUND"}) if own else frozenset()
    return Plan([catalog_service_pb2.GetBookRequest(id=book.id)], refusals=refusals)


# --- lists and status ---


def listing(make: Callable[[Desk], Any]) -> Callable[[Desk], Plan | None]:
    """Lists page by page; what `make` returns is the request for a first page."""

    def plan(desk: Desk) -> Plan:
        request = make(desk)
        key = type(request).DESCRIPTOR.full_name
        before, token = desk.tokens.pop(key, (request, ""))
        if token:
            request = before
            request.page_token = token
        else:
            request.page_size = desk.chance.choice([0, 1, 7, 100, 1_000, 5_000])

        def keep_token(page: Any) -> str:
            desk.tokens[key] = (request, page.next_page_token)
            return ""

        return Plan([request], check=keep_token)

    return plan


def some_user_id(desk: Desk) -> str:
    entry = desk.some(desk.ledger.users)
    return entry.last.id if entry else ""


def words(desk: Desk) -> str:
    return desk.chance.choice(["", "", *WORDS, "Ema", "persuaison", "979"])


def always(make: Callable[[Desk], Any]) -> Callable[[Desk], Plan | None]:
    """Plans a request that is always possible and is never refused."""
    return lambda desk: Plan([make(desk)])


def sync_now(desk: Desk) -> Plan:
    return Plan(
        [sync_service_pb2.SyncNowRequest(retry_parked=desk.chance.random() < 0.2)],
        check=lambda status: f"rows are set aside: {status}" if status.parked_rows or status.set_aside_rows else "",
    )


# --- the methods between the two services, which are for the frontend alone ---

STRANGER = frozenset({"OTHER_FRONTEND", "CURSOR_EXPIRED", "FIELD_INVALID", "*UNAUTHENTICATED", "*PERMISSION_DENIED"})
"""Reasons, or with an asterisk statuses, for which one who is not the frontend is refused."""


def changes(desk: Desk) -> Plan:
    request = sync.ListCatalogChangesRequest(cursor=desk.chance.choice(["", "", "garbage"]), page_size=20)
    return Plan([request], refusals=STRANGER)


def record_users(desk: Desk) -> Plan:
    record = sync.UserRecord(revision=desk.chance.choice([1, 2**40, 2**63 - 1]), user=User(id=desk.new_id()))
    return Plan(
        [sync.RecordUsersRequest(frontend_id=desk.new_id(), users=[record])], refusals=STRANGER, must_be_refused=True
    )


def record_loans(desk: Desk) -> Plan:
    record = sync.LoanRecord(revision=desk.chance.choice([1, 2**40, 2**63 - 1]))
    return Plan(
        [sync.RecordLoansRequest(frontend_id=desk.new_id(), loans=[record])], refusals=STRANGER, must_be_refused=True
    )


def _is_as(last: Any) -> Check:
    """Whether an answer shows what was acknowledged last, but for what others can change."""

    def check(now: Any) -> str:
        for name in ("active_loan_count", "available_copies", "next_available_time"):
            if name in now.DESCRIPTOR.fields_by_name:
                now.ClearField(name)
        return "" if now == last else f"was acknowledged as\n{last}and is\n{now}"

    return check


def _may_have_borrowed(desk: Desk, user_id: str) -> bool:
    return any(getattr(request, "user_id", "") == user_id for request in desk.ledger.maybe_made)


def _new_book(desk: Desk, isbn: str = "") -> Any:
    return admin_catalog.AddBookRequest(
        title=desk.title(),
        authors=[desk.chance.choice(WORDS)],
        isbn=isbn or (desk.isbn() if desk.chance.random() < 0.3 else ""),
        publisher=f"Publisher {desk.chance.randint(1, 20)}",
        category=f"Category {desk.chance.randint(1, 20)}",
        copies=desk.chance.randint(1, 3),
    )


@dataclass(frozen=True)
class Kind:
    """How a method is planned, and how often it is called: a weight against the others."""

    plan: Callable[[Desk], Plan | None]
    weight: int = 2


_ADMIN, _FRONTEND, _SYNC = "library.admin.v1.", "library.frontend.v1.", "library.sync.v1.SyncService/"
_HEALTH = "grpc.health.v1.Health/"
_HEALTH_MESSAGES: Any = health_pb2
"""Its stubs leave the messages of List out."""

PLANS: dict[str, Kind] = {
    f"{_FRONTEND}MemberService/EnrollUser": Kind(enroll, 12),
    f"{_FRONTEND}MemberService/UpdateUser": Kind(update_user, 8),
    f"{_FRONTEND}MemberService/CloseUser": Kind(close_user, 4),
    f"{_FRONTEND}MemberService/GetUser": Kind(get_user, 4),
    f"{_FRONTEND}MemberService/ListUsers": Kind(
        listing(lambda desk: member_service_pb2.ListUsersRequest(query=words(desk)))
    ),
    f"{_FRONTEND}LendingService/BorrowBook": Kind(borrow, 30),
    f"{_FRONTEND}LendingService/ReturnBook": Kind(give_back, 24),
    f"{_FRONTEND}LendingService/RenewLoan": Kind(renew, 10),
    f"{_FRONTEND}LendingService/GetLoan": Kind(get_loan, 4),
    f"{_FRONTEND}LendingService/ListLoans": Kind(
        listing(lambda desk: lending_service_pb2.ListLoansRequest(user_id=some_user_id(desk)))
    ),
    f"{_FRONTEND}CatalogService/GetBook": Kind(get_book, 4),
    f"{_FRONTEND}CatalogService/ListBooks": Kind(
        listing(lambda desk: catalog_service_pb2.ListBooksRequest(query=words(desk), include_unavailable=True))
    ),
    f"{_FRONTEND}CatalogService/ListPublishers": Kind(
        listing(lambda desk: catalog_service_pb2.ListPublishersRequest()), 1
    ),
    f"{_FRONTEND}CatalogService/ListCategories": Kind(
        listing(lambda desk: catalog_service_pb2.ListCategoriesRequest()), 1
    ),
    f"{_FRONTEND}SyncService/GetSyncStatus": Kind(always(lambda desk: sync_service_pb2.GetSyncStatusRequest())),
    f"{_FRONTEND}SyncService/SyncNow": Kind(sync_now),
    f"{_ADMIN}CatalogService/AddBook": Kind(add_book, 8),
    f"{_ADMIN}CatalogService/UpdateBook": Kind(update_book, 8),
    f"{_ADMIN}CatalogService/RemoveBook": Kind(remove_book, 5),
    f"{_ADMIN}CatalogService/ImportBooks": Kind(import_books, 3),
    f"{_ADMIN}CatalogService/GetBook": Kind(get_entry, 4),
    f"{_ADMIN}CatalogService/ListBooks": Kind(
        listing(lambda desk: admin_catalog.ListBooksRequest(query=words(desk), state=desk.chance.randint(0, 3)))  # type: ignore[arg-type]
    ),
    f"{_ADMIN}UserService/ListUsers": Kind(listing(lambda desk: user_service_pb2.ListUsersRequest(query=words(desk)))),
    f"{_ADMIN}UserService/GetUser": Kind(get_recorded_user),
    f"{_ADMIN}UserService/ListBorrowers": Kind(listing(lambda desk: user_service_pb2.ListBorrowersRequest())),
    f"{_ADMIN}LoanService/ListLoans": Kind(
        listing(lambda desk: loan_service_pb2.ListLoansRequest(user_id=some_user_id(desk)))
    ),
    f"{_ADMIN}LoanService/ListUnavailableBooks": Kind(
        listing(lambda desk: loan_service_pb2.ListUnavailableBooksRequest())
    ),
    f"{_ADMIN}StatusService/GetStatus": Kind(always(lambda desk: status_service_pb2.GetStatusRequest()), 1),
    f"{_SYNC}ListCatalogChanges": Kind(changes),
    f"{_SYNC}RecordUsers": Kind(record_users, 1),
    f"{_SYNC}RecordLoans": Kind(record_loans, 1),
    f"{_HEALTH}Check": Kind(always(lambda desk: health_pb2.HealthCheckRequest())),
    f"{_HEALTH}List": Kind(always(lambda desk: _HEALTH_MESSAGES.HealthListRequest()), 1),
    f"{_HEALTH}Watch": Kind(always(lambda desk: health_pb2.HealthCheckRequest()), 1),
    **{
        f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo": Kind(
            always(lambda desk: reflection_pb2.ServerReflectionRequest(list_services="")), 1
        )
        for version in ("v1", "v1alpha")
    },
}
"""By method. Health and reflection are served by both servers."""
