"""The record of a change, such as an entry of an audit log, that is committed with the change or not at all.

A step of the call sets it. Code that changes something and knows no calls passes it the answer, within its transaction.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from google.protobuf.message import Message


class ChangeRecord(Protocol):
    """The record of what the call of this thread changes."""

    def write(self, changed: Message | None) -> None:
        """Write the record within the present transaction, unless an earlier transaction of the call has."""

    def end(self, *, committed: bool) -> None:
        """Note how the present transaction has ended."""

    def skip(self) -> None:
        """Note that the call changes nothing, as an earlier call with its request id has made the change."""


CHANGE_RECORD: ContextVar[ChangeRecord | None] = ContextVar("change_record", default=None)
"""None in threads that work for no call, and for calls without a record."""


def record_change(changed: Message | None = None) -> None:
    """Write the record of the change that the present transaction makes.

    Call it last, before the transaction commits: it may take a revision. `changed` is the answer, or another message
    with the ids of what was changed, if the request does not have all of them.
    """
    record = CHANGE_RECORD.get()
    if record is not None:
        record.write(changed)


def end_record(*, committed: bool) -> None:
    """Note how a transaction of the call has ended, and with it the record, if it was written there."""
    record = CHANGE_RECORD.get()
    if record is not None:
        record.end(committed=committed)


def skip_record() -> None:
    """Note that the change of this call was made by an earlier call, which has the record."""
    record = CHANGE_RECORD.get()
    if record is not None:
        record.skip()
