"""The kinds of rows that the frontend pushes, as they are recorded. docs/sync.md explains how to add one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from admin_server.access.audit import entry_columns, entry_problems, forget_erased_users, index_entries
from admin_server.inventory.on_loan import note_items_on_loan
from admin_server.store.models import AuditEntry, Book, HistoryEntry, Loan, SigningKey, User
from library.v1 import loan_pb2
from library_domain.access.signing_keys import signing_key_columns, signing_key_problems
from library_domain.history import history_columns
from library_domain.loans import loan_columns
from library_domain.users import user_columns
from service_kit.ids import UUID

MOST_FINE_UNITS = 1_000_000_000
"""More than any library ever asked for, in any currency, and far less than overflows."""


def _no_problems(_message: Any) -> list[str]:
    return []


def _nothing(_messages: Sequence[Any]) -> None:
    pass


@dataclass(frozen=True)
class RecordedKind:
    """A kind of row: its field of `State`, its table, and what is particular to it."""

    name: str
    """The field of the oneof in `library.sync.v1.State`."""

    model: Any
    """A peewee model with the columns `id` and `revision`, and those that `columns` returns."""

    columns: Callable[[Any], dict[str, object]]
    """Converts a message to the columns but for the revision."""

    ids: tuple[str, ...]
    """Fields without which a row is refused, and which have to be UUIDs."""

    required: tuple[str, ...]
    """Other fields without which a row is refused."""

    problems: Callable[[Any], list[str]] = _no_problems
    """Returns further reasons to refuse a message; for rows that make no sense, not for those that break a rule."""

    after_recording: Callable[[Sequence[Any]], None] = _nothing
    """Corrects what depends on these messages, which were not refused. It runs at the end of each batch."""


def _fine_problems(loan: loan_pb2.Loan) -> list[str]:
    if 0 <= loan.fine.units <= MOST_FINE_UNITS and loan.fine.nanos >= 0:
        return []
    return ["fine is not an amount of money that could be owed"]


def _loan_problems(loan: loan_pb2.Loan) -> list[str]:
    """Return what is wrong with the fine and the user. A returned loan that was anonymised has no user."""
    wrong = _fine_problems(loan)
    if not loan.user_id and not loan.HasField("return_time"):
        wrong.append("user_id is not set")
    if loan.user_id and not UUID.fullmatch(loan.user_id):
        wrong.append("user_id is not a UUID")
    return wrong


def _count_copies_out(loans: Sequence[loan_pb2.Loan]) -> None:
    """Count the open loans of the books of these loans. Counting, not adding up, makes a second delivery harmless."""
    for book_id in sorted({loan.book_id for loan in loans}):  # in one order, so that no two transactions deadlock
        open_loans = Loan.select(peewee.fn.COUNT(Loan.key)).where(Loan.book_id == book_id, Loan.return_time.is_null())
        Book.update(on_loan=open_loans).where(Book.id == book_id).execute()
    note_items_on_loan({loan.item_id for loan in loans if loan.item_id})


RECORDED_KINDS = (
    RecordedKind(
        "signing_key",
        SigningKey,
        signing_key_columns,
        ids=("id",),
        required=("public_key", "create_time"),
        problems=signing_key_problems,
    ),
    RecordedKind(
        "audit_entry",
        AuditEntry,
        entry_columns,
        ids=("id",),
        required=("time", "result"),
        problems=entry_problems,
        after_recording=index_entries,
    ),
    RecordedKind(
        "user",
        User,
        user_columns,
        ids=("id",),
        required=("state", "create_time"),
        after_recording=forget_erased_users,
    ),
    RecordedKind(
        "loan",
        Loan,
        loan_columns,
        ids=("id", "book_id"),
        required=("borrow_time", "due_time"),
        problems=_loan_problems,
        after_recording=_count_copies_out,
    ),
    RecordedKind("history", HistoryEntry, history_columns, ids=("id",), required=("time", "event")),
)
"""In the order in which they are corrected after a batch, which is that of `LOCK_ORDER`."""
