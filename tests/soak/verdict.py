"""The end of a soak: compare both services with one another and with what was acknowledged to the callers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.admin.v1 import inventory_service_pb2, loan_service_pb2, status_service_pb2, user_service_pb2
from library.frontend.v1 import circulation_service_pb2 as desk_pb2
from library.frontend.v1 import lending_service_pb2, member_service_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, Book
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import USER_STATE_CLOSED, User
from tests.soak.ledger import Known, Ledger, can_be_returned_as, is_open
from tests.soak.library import Library
from tests.sync import agreement
from tests.sync.agreement import all_pages

CONVERGENCE_SECONDS = 300.0
"""Long enough on the busiest machine for all that waits to be pushed, and a full resync."""

CALL_SECONDS = 60.0


class Holdings:
    """What both services have at the end, by id."""

    def __init__(self, library: Library) -> None:
        self.admin, self.frontend = library.admin.admin(), library.frontend.frontend()
        self.users: dict[str, User] = {}
        self.recorded_users: dict[str, User] = {}
        self.loans: dict[str, Loan] = {}
        self.recorded_loans: dict[str, Loan] = {}
        self.books: dict[str, Book] = {}
        """The admin's, removed ones included."""
        self.replica: dict[str, Book] = {}
        self.in_service: dict[str, set[str]] = {}
        """By book, the ids of the items that the admin has in service."""

    def wait_until_they_agree(self) -> tuple[str, list[str]]:
        """Wait until both have the same, and keep it; return how long that took, or what is wrong."""
        try:
            seconds = agreement.eventually(self._agree, "both services agree", CONVERGENCE_SECONDS)
        except AssertionError as error:
            self._read()
            return "they do not agree", [f"{error}; {agreement.status(self.frontend)}"]
        return f"both services agreed {seconds:.1f} s after the last kill", []

    def count_items(self) -> None:
        """Keep the items that each book has in service."""
        request = inventory_service_pb2.ListItemsRequest(page_size=1_000, state=ITEM_STATE_IN_SERVICE)
        items = all_pages(self.admin.inventory.ListItems, request, "items")
        for item in items:
            self.in_service.setdefault(item.book_id, set()).add(item.id)

    def _agree(self) -> bool:
        status = agreement.status(self.frontend)
        if status.waiting_user_count or status.waiting_loan_count or status.resyncing or status.last_pull_error:
            return False
        try:
            self._read()
        except AssertionError:  # rows were pushed between two pages; a row that really exists twice never agrees
            return False
        in_catalogue = {key: book for key, book in self.books.items() if book.state != BOOK_STATE_REMOVED}
        return (
            _without_counts(in_catalogue, "etag") == _without_counts(self.replica)
            and self.loans == self.recorded_loans
            and _without_counts(self.users, "etag") == _without_counts(self.recorded_users)
        )

    def _read(self) -> None:
        users = member_service_pb2.ListUsersRequest(page_size=1_000, include_closed=True)
        self.users = _by_id(all_pages(self.frontend.members.ListUsers, users, "users"))
        recorded = user_service_pb2.ListUsersRequest(page_size=1_000, include_closed=True)
        self.recorded_users = _by_id(all_pages(self.admin.users.ListUsers, recorded, "users"))
        loans = lending_service_pb2.ListLoansRequest(page_size=1_000)
        self.loans = _by_id(all_pages(self.frontend.lending.ListLoans, loans, "loans"))
        recorded_loans = loan_service_pb2.ListLoansRequest(page_size=1_000)
        self.recorded_loans = _by_id(all_pages(self.admin.loans.ListLoans, recorded_loans, "loans"))
        self.replica = agreement.replica(self.frontend)
        self.books = {}
        for state in (0, BOOK_STATE_REMOVED):
            books = admin_catalog.ListBooksRequest(page_size=1_000, state=state)  # type: ignore[arg-type]
            self.books |= _by_id(all_pages(self.admin.catalog.ListBooks, books, "books"))


def faults_of(holdings: Holdings, ledger: Ledger) -> list[str]:
    """All that is not as it was acknowledged, is there twice, or is counted wrongly."""
    lent = holdings.loans.values()
    return [
        *_as_acknowledged(ledger.users, _without_counts(holdings.users)),
        *_as_acknowledged(ledger.loans, holdings.loans),
        *_as_acknowledged(ledger.books, _without_counts(holdings.books)),
        *_as_imported(ledger, holdings.books),
        *_unexplained(ledger, holdings),
        *_miscounted(holdings),
        *_lent_twice(lent, ledger),
    ]


def faults_in_log(name: str, log: Path, *, store_was_killed: bool = False) -> list[str]:
    """Tracebacks and errors in a server's log. An unavailable store is an error unless it was killed."""
    bad = re.compile(r'Traceback \(most recent call last\)|"level": ?"(error|critical)"')
    expected = re.compile(r'"event": ?"[^"]*store unavailable[^"]*"' if store_was_killed else r"(?!)")
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if bad.search(line) and not expected.search(line)]
    return [f"in the log of {name}, {len(found)} such lines: {line[:3_000]}" for line in found[:5]]


def _as_acknowledged(known: dict[str, Known], held: dict[str, Any]) -> Iterator[str]:
    for key, entry in known.items():
        now = held.get(key)
        if now is None:
            yield f"lost: {entry.last}"
        elif now != entry.last and (entry.is_settled or not _explains(entry, now)):
            yield f"was acknowledged as\n{entry.last}and is\n{now}where the change that is not known is {entry.maybe}"


def _explains(entry: Known, now: Any) -> bool:
    """Whether a change whose outcome is not known, made once, leads from the acknowledged state to the present one."""
    request, before = entry.maybe, entry.last
    if entry.is_being_returned and can_be_returned_as(entry, now):
        return True
    explains = _explains_loan if isinstance(now, Loan) else _explains_user if isinstance(now, User) else _explains_book
    return explains(entry, request, before, now)


def _explains_user(entry: Known, request: Any, before: User, now: User) -> bool:
    match request:
        case member_service_pb2.UpdateUserRequest():
            return not entry.is_exact or _has_values(now, request.user, request.update_mask.paths)
        case member_service_pb2.BlockUserRequest():
            return len(now.blocks) == len(before.blocks) + 1
        case member_service_pb2.UnblockUserRequest():
            return len(now.blocks) == len(before.blocks) - 1
        case member_service_pb2.EraseUserRequest():
            return not now.card_number
        case member_service_pb2.CloseUserRequest():
            return bool(now.state == USER_STATE_CLOSED)
    return False


def _explains_book(entry: Known, request: Any, before: Book, now: Book) -> bool:
    match request:
        case admin_catalog.UpdateBookRequest():
            return not entry.is_exact or _has_values(now, request.book, request.update_mask.paths)
        case admin_catalog.RemoveBookRequest():
            return bool(now.state == BOOK_STATE_REMOVED)
    return False


def _explains_loan(entry: Known, request: Any, before: Loan, now: Loan) -> bool:
    is_as_renewed = now.renewal_count == before.renewal_count
    match request:
        case member_service_pb2.EraseUserRequest():
            return not now.user_id
        case lending_service_pb2.ReturnBookRequest() | desk_pb2.CheckInRequest() | desk_pb2.CancelCheckOutRequest():
            return is_open(before) and not is_open(now) and is_as_renewed
        case desk_pb2.CancelCheckInRequest():
            return not is_open(before) and is_open(now) and is_as_renewed
        case lending_service_pb2.RenewLoanRequest() | desk_pb2.RenewRequest():
            once = (before.renewal_count + 1, before.days + request.days)
            return is_open(now) and (now.renewal_count, now.days) == once
    return False


def _has_values(now: Any, changed: Any, paths: Iterable[str]) -> bool:
    wanted = {path: getattr(changed, path) for path in paths}
    return all(
        getattr(now, path) == (value.strip() if isinstance(value, str) else value) for path, value in wanted.items()
    )


def _as_imported(ledger: Ledger, books: dict[str, Book]) -> Iterator[str]:
    for key, title in ledger.imported.items():
        book = books.get(key)
        if book is None or (title and book.title != title):
            yield f"imported as {title!r}, and is {book}"


def _unexplained(ledger: Ledger, holdings: Holdings) -> Iterator[str]:
    """What was not acknowledged must come from a call whose outcome is unknown, and at most one row from each."""
    maybe: Counter[tuple[str, ...]] = Counter(key for request in ledger.maybe_made if (key := _key_of(request)))
    unknown: list[Message] = [user for key, user in holdings.users.items() if key not in ledger.users]
    unknown += [loan for key, loan in holdings.loans.items() if key not in ledger.loans]
    known_books = ledger.books.keys() | ledger.imported.keys()
    unknown += [book for key, book in holdings.books.items() if key not in known_books]
    for message in unknown:
        keys = [key for key in (_key_of(message), _desk_key_of(message)) if maybe[key]]
        if not keys:
            yield f"exists, but was not acknowledged to any caller, or exists twice: {message}"
        else:
            maybe[keys[0]] -= 1


def _key_of(message: Any) -> tuple[str, ...]:
    """The values that a request and the message that it makes have in common."""
    match message:
        case User() | member_service_pb2.EnrollUserRequest():
            return ("user", message.email.strip().lower())
        case Loan() | lending_service_pb2.BorrowBookRequest():
            return ("loan", message.book_id.lower(), message.user_id.lower(), str(message.days))
        case Book() | admin_catalog.AddBookRequest():
            return ("book", message.title.strip())
        case desk_pb2.CheckOutRequest():
            return _desk_key_of(message)
    return ()


def _desk_key_of(message: Any) -> tuple[str, ...]:
    """The values that a loan has in common with the request of a desk that made it."""
    if not isinstance(message, Loan | desk_pb2.CheckOutRequest):
        return ()
    return ("item", message.barcode, message.user_id.lower())


def _miscounted(holdings: Holdings) -> Iterator[str]:
    open_loans = [loan for loan in holdings.loans.values() if is_open(loan)]
    by_user, by_book = Counter(loan.user_id for loan in open_loans), Counter(loan.book_id for loan in open_loans)
    for side, users in (("frontend", holdings.users), ("admin", holdings.recorded_users)):
        for user in users.values():
            if user.active_loan_count != by_user[user.id]:
                yield f"the {side} counts {user.active_loan_count} loans of {user.id}, and has {by_user[user.id]}"
    for book in holdings.books.values():
        out = {loan.item_id for loan in open_loans if loan.book_id == book.id and loan.item_id}
        lendable = len(holdings.in_service.get(book.id, set()) | out)  # one that is out can be in another state
        free = max(lendable - by_book[book.id], 0) if book.state == BOOK_STATE_ACTIVE else 0
        if book.available_copies != free:
            yield f"the admin counts {free} as {book.available_copies} copies of {book}"
    yield from _status_faults(holdings, len(open_loans))


def _status_faults(holdings: Holdings, open_loans: int) -> Iterator[str]:
    status = holdings.admin.status.GetStatus(status_service_pb2.GetStatusRequest(), timeout=CALL_SECONDS)
    counted = (status.book_count, status.user_count, status.loan_count, status.open_loan_count)
    there = (len(holdings.books), len(holdings.users), len(holdings.loans), open_loans)
    if counted != there:
        yield f"the admin's status counts {counted} books, users, loans and open loans, and there are {there}"
    sync = agreement.status(holdings.frontend)
    if sync.parked_row_count or sync.set_aside_count or sync.book_count != len(holdings.books):
        yield f"the frontend's status, where there are {len(holdings.books)} books, removed ones included: {sync}"


def _lent_twice(loans: Any, ledger: Ledger) -> Iterator[str]:
    named = {loan.book_id for loan in loans}
    copies = {key: ledger.most_copies.get(key, 3) for key in named}  # a book that was not acknowledged has 3 at most
    try:
        lent = [loan for loan in loans if loan.id not in ledger.cancelled]
        agreement.assert_no_copy_was_lent_twice(lent, copies)
    except AssertionError as error:
        yield str(error)


def _without_counts(messages: dict[str, Any], *others: str) -> dict[str, Any]:
    """Without the counts, which are checked by themselves, and without other fields that one service has only."""
    own = ("active_loan_count", "available_copies", "next_available_time", *others)
    found = {}
    for key, message in messages.items():
        copied = type(message)()
        copied.CopyFrom(message)
        for name in own:
            if name in message.DESCRIPTOR.fields_by_name:
                copied.ClearField(name)
        found[key] = copied
    return found


def _by_id(messages: list[Any]) -> dict[str, Any]:
    by_id = {message.id: message for message in messages}
    assert len(by_id) == len(messages), "something is listed twice"
    return by_id
