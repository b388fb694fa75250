"""What came of a check-out or a renewal, and trying one without doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from frontend_server.circulation.due_times import Shift
from library.frontend.v1.circulation_service_pb2 import DueShift, DueShiftKind
from library.v1 import loan_pb2
from library_domain.local_dates import date_message
from service_kit.errors import ServiceError
from service_kit.store import Store

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome:
    """What came of a check-out or a renewal: a loan, or the refusals that nobody overrode."""

    loan: loan_pb2.Loan | None = None
    refused: Sequence[ServiceError] = ()
    overridden: Sequence[ServiceError] = ()
    shifts: Sequence[Shift] = ()
    renewed: bool = False


def shift_messages(shifts: Sequence[Shift]) -> list[DueShift]:
    """Convert the steps to a due time to messages."""
    return [
        DueShift(
            kind=DueShiftKind.ValueType(shift.kind),
            from_date=date_message(shift.from_date),
            to_date=date_message(shift.to_date),
            reason=shift.reason,
        )
        for shift in shifts
    ]


class _RolledBack(Exception):
    """Ends a transaction whose changes are not wanted."""


def tried(store: Store, work: Callable[[], Answer]) -> Answer:
    """Do the work in a transaction, roll it back, and return what came of it: for `validate_only`."""
    answers: list[Answer] = []
    try:
        with store.writing():
            answers.append(work())
            raise _RolledBack
    except _RolledBack:
        return answers[0]
