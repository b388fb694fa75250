"""What the desk knows: the open user, the mode, the last answers, and what can be undone, overridden or sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from google.protobuf.message import Message

from library.v1.loan_pb2 import LOAN_STATE_OVERDUE, Loan
from library.v1.user_pb2 import User
from library_cli.desk_screen.dates import last_day
from library_cli.desk_screen.entries import Entry, Kind, NoAnswer, Refused, Steps
from library_cli.desk_screen.wording import name

SHOWN_ENTRIES = 20
REMEMBERED_SLIPS = 20


class Slip(NamedTuple):
    """A change that `/undo` takes back."""

    loan: Loan
    was_check_out: bool


@dataclass(frozen=True)
class Terms:
    """What was set for the next check-out or renewal."""

    days: int = 0
    due_time: datetime | None = None

    def put_into(self, request: Any) -> None:
        request.days = self.days
        if self.due_time is not None:
            request.due_time.FromDatetime(self.due_time.astimezone(UTC))

    def __str__(self) -> str:
        if self.due_time is not None:
            return f"next: due {self.due_time:%Y-%m-%d}"
        return f"next: {self.days} days" if self.days else ""


@dataclass(frozen=True)
class View:
    """What is drawn: a copy of the desk's state, which no other thread changes."""

    heading: str
    user: User | None = None
    user_lines: Sequence[str] = ()
    warnings: Sequence[str] = ()
    loans: Sequence[Loan] = ()
    modes: Sequence[str] = ()
    entries: Sequence[Entry] = ()
    """The newest first."""
    question: str = ""
    """What the next line answers, if it is not a scan."""
    waiting: int = 0
    """How many lines wait while a call runs, including the one that runs."""
    is_closed: bool = False


@dataclass
class Desk:
    """The state of a desk. Only the steps of a line change it."""

    staff: str
    branch: str
    clock: Callable[[], datetime]
    """Returns the local time, with its zone."""
    new_request_id: Callable[[], str]
    user: User | None = None
    loans: dict[str, Loan] = field(default_factory=dict)
    """The open loans of the open user, by id."""
    loan_limit: int | None = None
    checks_in: bool = False
    return_time: datetime | None = None
    """When the items in the book drop came back; None: now."""
    terms: Terms = field(default_factory=Terms)
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=SHOWN_ENTRIES))
    slips: deque[Slip] = field(default_factory=lambda: deque(maxlen=REMEMBERED_SLIPS))
    refused: tuple[Message, Refused] | None = None
    """The last call that was refused, for `/override`."""
    choices: Sequence[User] = ()
    """The users from which the next line chooses, by number."""
    asks_reason: bool = False
    last_barcode: str = ""
    unanswered: dict[tuple[str, bytes], Message] = field(default_factory=dict)
    """Calls without an answer, by their contents without the request id."""
    bell: bool = True
    is_closed: bool = False

    def add(self, kind: Kind, text: str, *more: str, **data: Any) -> None:
        """Show an answer."""
        self.entries.appendleft(Entry(kind, text, more, f"{self.clock():%H:%M}", data))

    def close_user(self) -> None:
        self.user, self.loans, self.terms, self.refused = None, {}, Terms(), None

    def knows(self, loan: Loan) -> bool:
        """Return whether a loan belongs to the open user."""
        return self.user is not None and loan.user_id == self.user.id

    def keep(self, loan: Loan) -> None:
        """Note the new state of an open loan."""
        if self.knows(loan):
            self.loans[loan.id] = loan

    def drop(self, loan: Loan) -> None:
        self.loans.pop(loan.id, None)

    def warnings(self) -> list[str]:
        """Return what the staff has to know before lending to the open user."""
        if self.user is None:
            return []
        now = self.clock()
        found = [f"BLOCKED: {block.reason}{_until(block)}" for block in blocks_in_force(self.user, now)]
        if self.user.HasField("expire_time") and self.user.expire_time.ToDatetime(UTC) <= now:
            found.append(f"MEMBERSHIP ENDED {last_day(self.user.expire_time)}")
        if late := sum(loan.state == LOAN_STATE_OVERDUE for loan in self.loans.values()):
            found.append(f"{late} OVERDUE")
        return found

    def view(self, waiting: int = 0) -> View:
        """Return a copy for drawing."""
        heading = " · ".join(part for part in ("Desk", self.branch, self.staff) if part)
        view = View(heading, modes=self._modes(), entries=tuple(self.entries), waiting=waiting)
        view = replace(view, question=self._question(), is_closed=self.is_closed)
        if self.user is None:
            return view
        loans = sorted(self.loans.values(), key=lambda loan: loan.due_time.ToNanoseconds())
        lines = user_lines(self.user, len(loans), self.loan_limit)
        return replace(view, user=self.user, user_lines=lines, warnings=self.warnings(), loans=loans)

    def _modes(self) -> list[str]:
        modes = []
        if self.checks_in:
            modes.append("CHECK-IN" + (f", returned {self.return_time:%Y-%m-%d %H:%M}" if self.return_time else ""))
        if str(self.terms):
            modes.append(str(self.terms))
        if self.unanswered:
            modes.append(f"{len(self.unanswered)} without answer: Enter sends again")
        return modes

    def _question(self) -> str:
        if self.asks_reason:
            return "Reason for the override"
        return "Number of the user" if self.choices else ""


def blocks_in_force(user: User, now: datetime) -> Iterable[Any]:
    return [each for each in user.blocks if not each.HasField("end_time") or each.end_time.ToDatetime(UTC) > now]


def _until(block: Any) -> str:
    return f" (until {last_day(block.end_time)})" if block.HasField("end_time") else ""


def user_lines(user: User, loans: int, limit: int | None) -> list[str]:
    """Return what the desk shows of a user: name, card, category, group, expiry, loans, and the note."""
    facts = [name(user), f"card {user.card_number}" if user.card_number else "", user.user_category, user.group]
    if user.HasField("expire_time"):
        facts.append(f"until {last_day(user.expire_time)}")
    counted = f"{loans} loan{'' if loans == 1 else 's'}" if limit is None else f"{loans} of {limit} loans"
    lines = [" · ".join(each for each in [*facts, counted] if each)]
    return [*lines, f"Note: {user.note}"] if user.note else lines


def sent(desk: Desk, request: Any) -> Steps[Any]:
    """Send a request, and return the reply.

    A call that changes something has a request id. If the same call was sent before and had no answer, it is sent with
    the same id, so that it is carried out once.
    """
    fields = request.DESCRIPTOR.fields_by_name
    if "request_id" not in fields:
        return (yield request)
    if "staff" in fields:
        request.staff = desk.staff
    contents = type(request)()
    contents.CopyFrom(request)
    contents.request_id = ""
    key = (request.DESCRIPTOR.full_name, contents.SerializeToString(deterministic=True))
    before: Any = desk.unanswered.get(key)
    request.request_id = before.request_id if before is not None else desk.new_request_id()
    reply = yield request
    if isinstance(reply, NoAnswer):
        desk.unanswered[key] = request
    else:
        desk.unanswered.pop(key, None)
    return reply


def no_answer(desk: Desk, reply: NoAnswer, *, changes: bool) -> None:
    """Show that a call had no answer, and how to go on."""
    do = "Press Enter to send it again: it is done once." if changes else "Scan it again."
    desk.add(Kind.NO_ANSWER, f"{reply.message} {do}")
