"""What a caller plans with: what it knows, and what a plan is."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library.v1.user_pb2 import USER_STATE_ACTIVE
from tests.soak.ledger import Known, Ledger

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
    can_be_garbled: bool = True
    """Whether random values in it can do no harm to the other callers."""
    can_be_given_up: bool = True
    """Whether the caller may leave it without an outcome that it knows."""
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

    items: list[str] = field(default_factory=list)
    """The ids of items that only this caller changes."""

    operations: list[str] = field(default_factory=list)
    """The names of the last operations that this caller has started."""

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


def is_as(last: Any) -> Check:
    """Whether an answer shows what was acknowledged last, but for what others can change."""

    def check(now: Any) -> str:
        for name in ("active_loan_count", "available_copies", "next_available_time"):
            if name in now.DESCRIPTOR.fields_by_name:
                now.ClearField(name)
        return "" if now == last else f"was acknowledged as\n{last}and is\n{now}"

    return check


def may_have_borrowed(desk: Desk, user_id: str) -> bool:
    return any(getattr(request, "user_id", "") == user_id for request in desk.ledger.maybe_made)
