"""The history as both services keep it: the frontend adds the entries, the admin has those that were pushed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from library.v1 import history_pb2
from service_kit.clock import micros, timestamp
from service_kit.errors import FieldInvalid

SUBJECTS = ("user_id", "loan_id", "item_id", "book_id")
"""What an entry can be about. An empty id means that there is none."""

FILTERS = ("user_id", "loan_id", "item_id")


class HistoryRow(Protocol):
    """A row with the columns that `history_columns` names. The time is in microseconds since 1970."""

    id: str
    time: int
    event: int
    user_id: str
    loan_id: str
    item_id: str
    book_id: str
    staff: str
    detail: str
    overridden: str


class ListHistoryRequest(Protocol):
    """The fields that both services' ListHistoryRequest have."""

    user_id: str
    loan_id: str
    item_id: str


def overridden_text(overridden: Mapping[str, str]) -> str:
    """Return the column for refusals that were overridden, each with the reason: a JSON object, or ""."""
    return json.dumps(dict(overridden), ensure_ascii=False) if overridden else ""


def history_message(row: HistoryRow) -> history_pb2.HistoryEntry:
    """Convert a row to the message."""
    entry = history_pb2.HistoryEntry(
        id=row.id,
        time=timestamp(row.time),
        event=history_pb2.HistoryEvent.ValueType(row.event),
        user_id=row.user_id,
        loan_id=row.loan_id,
        item_id=row.item_id,
        book_id=row.book_id,
        staff=row.staff,
        detail=row.detail,
    )
    if row.overridden:
        overridden = json.loads(row.overridden)
        if not isinstance(overridden, dict):
            raise ValueError("overridden is not a JSON object")
        for refusal, reason in overridden.items():
            entry.overridden.add(refusal=refusal, reason=reason)
    return entry


def history_columns(entry: history_pb2.HistoryEntry) -> dict[str, object]:
    """Convert a message to the columns of its row."""
    return {
        "id": entry.id,
        "time": micros(entry.time),
        "event": entry.event,
        **{name: getattr(entry, name) for name in SUBJECTS},
        "staff": entry.staff,
        "detail": entry.detail,
        "overridden": overridden_text({each.refusal: each.reason for each in entry.overridden}),
    }


def subject_of(request: ListHistoryRequest) -> tuple[str, str]:
    """Return the one filter of a request: its name and value. Raises `FieldInvalid` unless it has exactly one."""
    given = [name for name in FILTERS if getattr(request, name)]
    if len(given) != 1:
        problem = "set exactly one of user_id, loan_id and item_id"
        raise FieldInvalid(*((name, problem) for name in given or FILTERS))
    return given[0], getattr(request, given[0])
