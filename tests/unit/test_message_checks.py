"""Whole messages are checked, with all messages in them, for what could not be shown."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from library.frontend.v1.sync_service_pb2 import SetAsideRow, SyncStatus
from library.sync.v1.sync_service_pb2 import RecordStatesRequest, State
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from service_kit.message_checks import message_problems

LAST = 253_402_300_799


@pytest.mark.parametrize(
    "message",
    [
        Book(),
        Book(create_time=Timestamp(seconds=LAST, nanos=999_999_999), update_time=Timestamp(seconds=-62_135_596_800)),
        Book(state=2**15 - 1),  # type: ignore[arg-type]
        Loan(fine=Money(currency_code="EUR", units=-1, nanos=-999_999_999)),
        SyncStatus(cursor_age=Duration(seconds=-1, nanos=-1), clock_behind=Duration(nanos=5)),
    ],
)
def test_what_can_be_shown_has_no_problem(message: Message) -> None:
    assert message_problems(message) == []


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Book(create_time=Timestamp(nanos=2**31 - 1)), "create_time"),
        (Book(create_time=Timestamp(nanos=-(2**31))), "create_time"),
        (Book(update_time=Timestamp(seconds=LAST + 1)), "update_time"),
        (Book(next_available_time=Timestamp(seconds=-(2**63))), "next_available_time"),
        (Book(state=-1), "state"),  # type: ignore[arg-type]
        (Book(state=2**15), "state"),  # type: ignore[arg-type]
        (Loan(fine=Money(units=1, nanos=-1)), "fine"),
        (Loan(fine=Money(nanos=10**9)), "fine"),
        (Loan(fine=Money(currency_code="EURO")), "fine"),
        (Loan(fine=Money(currency_code="é")), "fine"),
        (SyncStatus(cursor_age=Duration(seconds=1, nanos=-1)), "cursor_age"),
        (SyncStatus(cursor_age=Duration(seconds=2**62)), "cursor_age"),
        (
            SyncStatus(set_aside_rows=[SetAsideRow(), SetAsideRow(set_aside_time=Timestamp(nanos=-1))]),
            "set_aside_rows[1].set_aside_time",
        ),
        (
            RecordStatesRequest(states=[State(loan=Loan(due_time=Timestamp(nanos=-1)))]),
            "states[0].loan.due_time",
        ),
    ],
)
def test_what_cannot_be_shown_is_named_however_deep_it_is(message: Message, field: str) -> None:
    assert [path for path, _ in message_problems(message)] == [field]
