"""The kinds of rows that are pushed to the admin. docs/sync.md explains how to add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from frontend_server.store.models import AuditEntry, HistoryEntry, Loan, SigningKey, User
from library.sync.v1.sync_service_pb2 import State
from library_domain.access.audit_rows import audit_message
from library_domain.access.signing_keys import signing_key_message
from library_domain.history import history_message
from library_domain.loans import loan_message
from library_domain.users import user_message
from service_kit.unreadable import Damaged


@dataclass(frozen=True)
class PushedKind:
    """A kind of row: its table, and how a row of it becomes a message."""

    name: str
    """In GetSyncStatus and in logs."""

    model: Any
    """A peewee model with the columns `key`, `id`, `revision`, `pushed_revision` and `park_reason`."""

    state: Callable[[Any, int], State]
    """Returns the message of a row at a time, without its revision. Raises one of `DAMAGE` for a damaged row."""


PUSHED_KINDS = (
    PushedKind("signing_key", SigningKey, lambda row, _now: State(signing_key=signing_key_message(row))),
    PushedKind("user", User, lambda row, _now: State(user=user_message(row, 0))),
    PushedKind("loan", Loan, lambda row, now: State(loan=loan_message(row, now))),
    PushedKind("history", HistoryEntry, lambda row, _now: State(history=history_message(row))),
    PushedKind("audit_entry", AuditEntry, lambda row, _now: State(audit_entry=audit_message(row))),
)
"""In the order in which they are sent: each after the kinds that its rows name.

A transaction that writes several kinds locks their rows in the reverse order, as `LOCK_ORDER` demands.
"""


class Outgoing(NamedTuple):
    """A row and its message."""

    kind: PushedKind
    row: Any
    state: State


def outgoing(kind: PushedKind, row: Any, now: int) -> Outgoing:
    """Make the message of a row. Raises one of `DAMAGE` for a damaged row."""
    if isinstance(row, Damaged):
        raise row.error
    state = kind.state(row, now)
    state.revision = row.revision
    if not isinstance(row.pushed_revision, int):
        raise TypeError("pushed_revision is not a number")
    return Outgoing(kind, row, state)
