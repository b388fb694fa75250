"""Accounts of users: enrolling, finding, changing their own fields, closing."""

from __future__ import annotations

from typing import Any

from frontend_server.access.sessions import end_sessions_of
from frontend_server.access.standing import check_standing
from frontend_server.members.accounts import (
    facts,
    locked_user,
    message,
    next_card_number,
    own_values,
    set_new_revision,
    taken,
    unless_taken,
    update_row,
)
from frontend_server.members.eligibility import change_refusals, closing_refusals
from frontend_server.members.own_fields import (
    changed_fields,
    check_enrolment,
    check_update,
    no_name,
    normal_card_number,
    own_fields,
    with_fields,
)
from frontend_server.refusals import raise_if_refused
from frontend_server.store.models import NOT_CLOSED, User
from library.frontend.v1.member_service_pb2 import (
    CloseUserRequest,
    EnrollUserRequest,
    ListUsersRequest,
    UpdateUserRequest,
)
from library.v1 import user_pb2
from library.v1.history_pb2 import (
    HISTORY_EVENT_USER_CLOSED,
    HISTORY_EVENT_USER_ENROLLED,
    HISTORY_EVENT_USER_UPDATED,
)
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.access.callers import ANYBODY, Caller
from library_domain.errors import UserNotFound
from library_domain.users import own_columns, queried_card_number, queried_email_key, user_query
from service_kit.clock import Clock
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.paging import page
from service_kit.row_lists import find_rows, list_rows
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.unreadable import Damaged, readable


def enroll_user(store: Store, request: EnrollUserRequest, clock: Clock) -> user_pb2.User:
    """Enrol a user. Raises `FieldInvalid`, `CardNumberTaken` and `EmailTaken`."""
    check_enrolment(request)
    own = own_fields(request)

    def enroll() -> user_pb2.User:
        numbered = own if own.card_number else with_fields(own, _card(next_card_number()), ["card_number"])
        now = clock()
        row = User.create(id=new_id(), create_time=now, update_time=now, revision=0, **own_columns(numbered))
        return message(set_new_revision(row, HISTORY_EVENT_USER_ENROLLED))

    return unless_taken(store, own, "", lambda: once(store, request, user_pb2.User, enroll, clock))


def get_user(store: Store, user_id: str) -> user_pb2.User:
    """Return a user, closed or not. Raises `UserNotFound`."""
    with readable("user", user_id):
        with store.reading():
            row = User.get_or_none(User.id == user_id)
        if row is None:
            raise UserNotFound(user_id=user_id)
        return message(row)


def list_users(store: Store, request: ListUsersRequest) -> tuple[list[user_pb2.User], str]:
    """Return a page of users, oldest enrolment first or in the order of their ids, and the token of the next."""
    with store.reading():
        rows = _rows(request)
    return page(request, rows, message, lambda row: row.key)


def check_filters(request: ListUsersRequest) -> None:
    """Raise `FieldInvalid` for a card number that no user can have."""
    normal_card_number(request.card_number)


def _rows(request: ListUsersRequest) -> list[User | Damaged]:
    conditions = _conditions(request)
    if request.id_prefix or not request.query:
        return list_rows(User, request, conditions, request.id_prefix)
    return find_rows(User, request, conditions, user_query(request.query), _exact(request.query))


def _conditions(request: ListUsersRequest) -> list[Any]:
    conditions: list[Any] = [] if request.include_closed else [NOT_CLOSED]
    if number := normal_card_number(request.card_number):
        conditions.append(User.card_number == number)
    if category := text_key(request.user_category):
        conditions.append(User.category_key == category)
    if group := text_key(request.group):
        conditions.append(User.group_key == group)
    return conditions


def _exact(query: str) -> Any:
    """Return the condition for the user whose whole address or card number the query is; None for another query."""
    if key := queried_email_key(query):
        return User.email_key == key
    number = queried_card_number(query)
    return User.card_number == number if number else None


def update_user(store: Store, request: UpdateUserRequest, clock: Clock, caller: Caller = ANYBODY) -> user_pb2.User:
    """Change the fields that the mask names; with an etag only the version that it identifies.

    Raises `FieldInvalid`, `CardNumberTaken`, `EmailTaken`, `RoleRequired`, and the refusals of `change_refusals`.
    """
    check_update(request)
    user = request.user
    user_id, names = user.id.lower(), changed_fields(request)
    values = own_fields(user, names)

    def update() -> user_pb2.User:
        check_standing(caller, user_id, may_be_own=True)
        row = locked_user(store, user_id)
        raise_if_refused(change_refusals(facts(row), user.etag))
        before = own_values(row)
        own = with_fields(before, values, names)
        if not (own.first_name or own.last_name):
            raise no_name("user.")
        if own == before:
            return message(row)
        columns = own_columns(own)
        if own.email == before.email:
            # Kept, because an earlier version may have computed it by other rules: see 0003_users.
            columns["email_key"] = row.email_key
        _refuse_taken(own, before, row)
        return message(update_row(row, columns, clock, HISTORY_EVENT_USER_UPDATED))

    with readable("user", user.id):
        return unless_taken(store, values, user_id, lambda: once(store, request, user_pb2.User, update, clock))


def close_user(store: Store, request: CloseUserRequest, clock: Clock, caller: Caller = ANYBODY) -> user_pb2.User:
    """Close a user's account. The row is kept for its loans and for the admin. Closing it again changes nothing.

    The row is locked before its loans are counted, so a concurrent check-out is either counted or refused.
    """

    def close() -> user_pb2.User:
        check_standing(caller, request.id.lower(), may_be_own=True)
        row = locked_user(store, request.id)
        if row.state == USER_STATE_CLOSED:
            return message(row)
        raise_if_refused(closing_refusals(facts(row), request.etag))
        end_sessions_of(row.id, clock())
        return message(update_row(row, {"state": USER_STATE_CLOSED}, clock, HISTORY_EVENT_USER_CLOSED))

    with readable("user", request.id):
        return once(store, request, user_pb2.User, close, clock)


def _refuse_taken(own: user_pb2.User, before: user_pb2.User, row: User) -> None:
    """Raise the refusals if a user has the new card number or address, before the unique index is written.

    Otherwise two users who exchange their addresses at the same moment would each wait for the other's old address in
    the index, which is a deadlock on PostgreSQL. The old address of a locked user is committed, so this read sees it.
    """
    new = user_pb2.User()
    if own.card_number != before.card_number:
        new.card_number = own.card_number
    if own.email != before.email:
        new.email = own.email
    raise_if_refused(taken(new, row.id))


def _card(number: str) -> user_pb2.User:
    return user_pb2.User(card_number=number)
