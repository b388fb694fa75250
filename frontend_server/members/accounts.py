"""Rows of users: finding and locking them, writing them for the push, and what of them is unique."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import peewee

from frontend_server.history.entries import record
from frontend_server.members.eligibility import AccountFacts
from frontend_server.members.own_fields import CHANGEABLE_FIELDS, with_fields
from frontend_server.refusals import raise_if_refused
from frontend_server.store.models import HAS_OWN_EMAIL, User
from library.v1 import history_pb2, user_pb2
from library_domain.barcodes import card_number
from library_domain.emails import email_key
from library_domain.errors import CardNumberTaken, EmailTaken, UserNotFound
from library_domain.users import user_message
from service_kit.clock import Clock
from service_kit.errors import ServiceError
from service_kit.revisions import take_revisions
from service_kit.series import take_numbers
from service_kit.store import Store

HistoryEvent: TypeAlias = history_pb2.HistoryEvent.ValueType

MOST_ATTEMPTS = 5
"""How often a change is tried whose address or card number was taken for a moment only."""


def etag(row: User) -> str:
    """Return the identifier of a version of a user. It contains the time because a restored store repeats revisions."""
    return f"{row.revision:x}-{row.update_time:x}"


def message(row: User) -> user_pb2.User:
    """Convert a row to the message, with the etag."""
    user = user_message(row, row.active_loan_count)
    user.etag = etag(row)
    return user


def own_values(row: User) -> user_pb2.User:
    """Return the fields that UpdateUser can change."""
    return with_fields(user_pb2.User(), user_message(row, 0), CHANGEABLE_FIELDS)


def facts(row: User) -> AccountFacts:
    """Return the facts on which changing or closing the account depends."""
    return AccountFacts(row.id, row.state, row.active_loan_count, etag(row))


def locked_user(store: Store, user_id: str) -> User:
    """Return the user's row, locked until the transaction ends. Raises `UserNotFound`."""
    row: User | None = store.locking(User.select().where(User.id == user_id)).first()
    if row is None:
        raise UserNotFound(user_id=user_id)
    return row


def update_row(row: User, columns: Mapping[str, object], clock: Clock, event: HistoryEvent) -> User:
    """Write the columns of a locked user, mark it as due for the push, and add the event to the history."""
    due: dict[str, object] = {**columns, "update_time": clock(), "park_reason": ""}
    User.update(due).where(User.key == row.key).execute()
    for name, value in due.items():
        setattr(row, name, value)
    return set_new_revision(row, event)


def set_new_revision(row: User, event: HistoryEvent) -> User:
    """Set a new revision of a user that this transaction has just written, and add the event to the history.

    The counter is locked after the row is written, not in the same statement: the write can wait in the unique index
    for another call with the same address, and that call waits for the counter. See docs/locks.md.
    """
    row.revision = take_revisions(2)
    record(event, row.update_time, row.revision + 1, user_id=row.id)
    User.update(revision=row.revision).where(User.key == row.key).execute()
    return row


def next_card_number() -> str:
    """Return the next number of the library's series that no user has. The series is locked before the user's row."""
    while True:
        number = card_number(take_numbers(1).start)
        if not User.select(User.key).where(User.card_number == number).exists():
            return number


def taken(user: user_pb2.User, user_id: str = "") -> list[ServiceError]:
    """Return whether another user than `user_id` has the card number, and whether one has the address."""
    another = User.select(User.key).where(User.id != user_id)
    found: list[ServiceError] = []
    if user.card_number and another.where(User.card_number == user.card_number).exists():
        found.append(CardNumberTaken())
    if user.email and another.where(User.email_key == email_key(user.email), HAS_OWN_EMAIL).exists():
        found.append(EmailTaken())
    return found


def unless_taken(store: Store, user: user_pb2.User, user_id: str, change: Callable[[], user_pb2.User]) -> user_pb2.User:
    """Return the result of a change. If it violates a unique index, raise the refusals of `taken`.

    If the other user has another number or address by then, the change is tried again: also if its own card number is
    one of the series, which another user was given at the same moment.
    """
    attempts = 1
    while True:
        try:
            return change()
        except peewee.IntegrityError as violation:
            with store.reading():
                refusals = taken(user, user_id)
            try:
                raise_if_refused(refusals)
            except ServiceError as refusal:
                raise refusal from violation
            if attempts == MOST_ATTEMPTS:
                raise
        attempts += 1
