"""What was acknowledged to one caller, and what may have been done. Both are compared with the stores at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from library.frontend.v1.circulation_service_pb2 import CancelCheckInRequest, RenewRequest
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library.frontend.v1.member_service_pb2 import EraseUserRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User


@dataclass
class Known:
    """A user, a loan or a book, as it was acknowledged last."""

    last: Any
    maybe: Any = None
    """The request of a change that may have been made. There is one at most: afterwards the caller leaves it alone."""
    is_exact: bool = True
    """Whether the request changes exactly the fields that it names. Random values may be normalized."""
    is_being_returned: bool = False
    """Whether a loan of unknown state may also have been returned since: see `tests.soak.recovery`."""

    @property
    def is_settled(self) -> bool:
        """Whether it is known how it is."""
        return self.maybe is None


@dataclass
class Ledger:
    """All that a caller knows. Only this caller changes these users, loans and books."""

    users: dict[str, Known] = field(default_factory=dict)
    loans: dict[str, Known] = field(default_factory=dict)
    books: dict[str, Known] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    """Titles of rows that an import added, by the book's id."""
    maybe_made: list[Message] = field(default_factory=list)
    """Requests that may have made a user, a loan or a book."""
    cancelled: set[str] = field(default_factory=set)
    """Loans whose check-out was cancelled, or may have been: the item may have been out on another loan meanwhile."""
    most_copies: dict[str, int] = field(default_factory=dict)
    """By book, the most copies that it can have had."""

    def note(self, answer: Message) -> Known:
        """Keep what was acknowledged, by its id; return the entry."""
        kept = answer.__class__()
        kept.CopyFrom(answer)
        for field_name in ("active_loan_count", "available_copies", "next_available_time"):
            if field_name in kept.DESCRIPTOR.fields_by_name:
                kept.ClearField(field_name)
        if isinstance(kept, Book):
            self.can_have(kept.id, kept.total_copies)
        entries = self._entries(kept)
        entry = entries.setdefault(kept.id, Known(kept))  # type: ignore[attr-defined]
        entry.last = kept
        return entry

    def has_kind(self, answer: Message) -> bool:
        """Whether entries are kept of such rows: of users, loans and books."""
        return isinstance(answer, User | Loan | Book)

    def knows(self, answer: Message) -> bool:
        """Whether there is an entry of this id."""
        return answer.id in self._entries(answer)  # type: ignore[attr-defined]

    def can_have(self, book_id: str, copies: int) -> None:
        """Keep `copies` as the number of copies of a book, if it is the highest so far."""
        self.most_copies[book_id] = max(copies, self.most_copies.get(book_id, 0))

    def open_loans_of(self, user_id: str) -> list[Known]:
        """The loans of a user that are out, or may be."""
        return [loan for loan in self.loans.values() if loan.last.user_id == user_id and may_be_open(loan)]

    def forget(self, request: EraseUserRequest, *, is_known: bool) -> None:
        """Keep that the user's loans do not name the user any more, or may not."""
        for loan in self.loans.values():
            if loan.last.user_id == request.user_id and is_known:
                loan.last.user_id = ""
            elif loan.last.user_id == request.user_id:
                loan.maybe = request

    def _entries(self, answer: Message) -> dict[str, Known]:
        kinds: dict[type[Message], dict[str, Known]] = {User: self.users, Loan: self.loans, Book: self.books}
        return kinds[type(answer)]


def is_open(loan: Loan) -> bool:
    """Whether a loan is out."""
    return not loan.HasField("return_time")


def may_be_open(loan: Known) -> bool:
    """Whether a loan is out, or can be out again."""
    return is_open(loan.last) or isinstance(loan.maybe, CancelCheckInRequest)


def can_be_returned_as(loan: Known, now: Loan) -> bool:
    """Whether a returned loan is as it was before, but for a renewal that may have been made once."""
    before, maybe = loan.last, loan.maybe
    possible = [(before.renewal_count, before.days)]
    if isinstance(maybe, RenewLoanRequest | RenewRequest):
        possible.append((before.renewal_count + 1, before.days + maybe.days))
    return not is_open(now) and (now.renewal_count, now.days) in possible


def merged(ledgers: Iterable[Ledger]) -> Ledger:
    """All ledgers as one."""
    whole = Ledger()
    for each in ledgers:
        whole.users |= each.users
        whole.loans |= each.loans
        whole.books |= each.books
        whole.imported |= each.imported
        whole.cancelled |= each.cancelled
        whole.maybe_made += each.maybe_made
        for book_id, copies in each.most_copies.items():
            whole.can_have(book_id, copies)
    return whole
