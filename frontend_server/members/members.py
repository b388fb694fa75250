"""Accounts of users: enrolling with an e-mail address, finding, changing names and address, closing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import peewee

from frontend_server.members.eligibility import AccountFacts, change_refusals, closing_refusals
from frontend_server.refusals import raise_if_refused
from frontend_server.store.models import NOT_CLOSED, User
from library.frontend.v1.member_service_pb2 import (
    CloseUserRequest,
    EnrollUserRequest,
    ListUsersRequest,
    UpdateUserRequest,
)
from library.v1 import user_pb2
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.emails import checked_email
from library_domain.errors import EmailTaken, UserNotFound
from library_domain.users import queried_email_key, search_columns, user_message, user_query
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.idempotency import once
from service_kit.ids import UUID, new_id
from service_kit.paging import page
from service_kit.revisions import take_revisions
from service_kit.row_lists import find_rows, list_rows
from service_kit.store import Store
from service_kit.text.keys import tidied
from service_kit.unreadable import Damaged, readable
from service_kit.validation import joined, problems, problems_by

NORMAL_FORMS: dict[str, Callable[[str], str]] = {
    "email": checked_email,
    "first_name": tidied,
    "last_name": tidied,
}
"""The fields that users can change, each with the function that returns the form to store."""

CHANGEABLE_FIELDS = tuple(NORMAL_FORMS)


def enroll_user(store: Store, request: EnrollUserRequest, clock: Clock) -> user_pb2.User:
    """Enrol a user. Raises `FieldInvalid` and `EmailTaken`."""
    check_enrolment(request)
    own = {name: normal(getattr(request, name)) for name, normal in NORMAL_FORMS.items()}

    def enroll() -> user_pb2.User:
        now = clock()
        row = User.create(id=new_id(), create_time=now, update_time=now, revision=0, **own, **search_columns(**own))
        return _message(_set_new_revision(row))

    return _unless_taken(lambda: once(store, request, user_pb2.User, enroll, clock))


def get_user(store: Store, user_id: str) -> user_pb2.User:
    """Return a user, closed or not. Raises `UserNotFound`."""
    with readable("user", user_id):
        with store.reading():
            row = User.get_or_none(User.id == user_id)
        if row is None:
            raise UserNotFound(user_id=user_id)
        return _message(row)


def list_users(store: Store, request: ListUsersRequest) -> tuple[list[user_pb2.User], str]:
    """Return a page of users, oldest enrolment first or in the order of their ids, and the token of the next."""
    with store.reading():
        rows = _rows(request)
    return page(request, rows, _message, lambda row: row.key)


def _rows(request: ListUsersRequest) -> list[User | Damaged]:
    conditions = [] if request.include_closed else [NOT_CLOSED]
    if request.id_prefix or not request.query:
        return list_rows(User, request, conditions, request.id_prefix)
    key = queried_email_key(request.query)
    return find_rows(User, request, conditions, user_query(request.query), User.email_key == key if key else None)


def update_user(store: Store, request: UpdateUserRequest, clock: Clock) -> user_pb2.User:
    """Change the fields that the mask names; with an etag only the version that it identifies.

    Raises `FieldInvalid`, `EmailTaken`, and the refusals of `change_refusals`.
    """
    check_update(request)
    user = request.user
    fields, _ = masked_fields(user, request.update_mask, CHANGEABLE_FIELDS)
    values = {name: NORMAL_FORMS[name](getattr(user, name)) for name in fields}

    def update() -> user_pb2.User:
        row = _locked_user(store, user.id.lower())
        raise_if_refused(change_refusals(_facts(row), user.etag))
        own = _own_values(row) | {name: values[name] for name in fields}
        if not (own["first_name"] or own["last_name"]):
            raise _no_name("user.")
        if own == _own_values(row):
            return _message(row)
        columns = {**own, **search_columns(**own)}
        if own["email"] == row.email:
            # Kept, because an earlier version may have computed it by other rules: see 0003_users.
            columns["email_key"] = row.email_key
        elif columns["email_key"] != row.email_key:
            _refuse_taken_email(columns["email_key"])
        return _message(_update_row(row, columns, clock))

    with readable("user", user.id):
        return _unless_taken(lambda: once(store, request, user_pb2.User, update, clock))


def close_user(store: Store, request: CloseUserRequest, clock: Clock) -> user_pb2.User:
    """Close a user's account. The row is kept for its loans and for the admin. Closing it again changes nothing.

    The row is locked before its loans are counted, so a concurrent check-out is either counted or refused.
    """

    def close() -> user_pb2.User:
        row = _locked_user(store, request.id)
        if row.state == USER_STATE_CLOSED:
            return _message(row)
        raise_if_refused(closing_refusals(_facts(row), request.etag))
        return _message(_update_row(row, {"state": USER_STATE_CLOSED}, clock))

    with readable("user", request.id):
        return once(store, request, user_pb2.User, close, clock)


def check_enrolment(request: EnrollUserRequest) -> None:
    """Raise `FieldInvalid` with all problems of an enrolment that the contract's own rules do not cover."""
    wrong = problems_by([lambda each: checked_email(each.email)], request)
    if not (request.first_name.strip() or request.last_name.strip()):
        wrong += _no_name().problems
    if wrong:
        raise FieldInvalid(*wrong)


def check_update(request: UpdateUserRequest) -> None:
    """Raise `FieldInvalid` with all problems of an update that are independent of the stored user."""
    user = request.user
    fields, wrong = masked_fields(user, request.update_mask, CHANGEABLE_FIELDS)
    if not UUID.fullmatch(user.id):
        wrong.append(("user.id", "must be a valid UUID"))
    # The other fields are filled with valid values, so that all problems found are those of the changed fields.
    enrolment = EnrollUserRequest(email="a@example.org", first_name="A", last_name="A")
    for name in fields:
        setattr(enrolment, name, getattr(user, name))
    found = problems(enrolment)
    if "email" not in dict(found):
        found = joined(found, problems_by([check_enrolment], enrolment))
    wrong += [(f"user.{field}", problem) for field, problem in found]
    if wrong:
        raise FieldInvalid(*wrong)


def etag(row: User) -> str:
    """Return the identifier of a version of a user. It contains the time because a restored store repeats revisions."""
    return f"{row.revision:x}-{row.update_time:x}"


def _facts(row: User) -> AccountFacts:
    return AccountFacts(row.id, row.state, row.active_loan_count, etag(row))


def _unless_taken(change: Callable[[], user_pb2.User]) -> user_pb2.User:
    """Return the result of a change. Raise `EmailTaken` if it violates the unique index on addresses."""
    try:
        return change()
    except peewee.IntegrityError as taken:
        raise EmailTaken() from taken


def _no_name(prefix: str = "") -> FieldInvalid:
    return FieldInvalid(
        (f"{prefix}first_name", "must not be empty when last_name is empty"),
        (f"{prefix}last_name", "must not be empty when first_name is empty"),
    )


def _own_values(row: User) -> dict[str, str]:
    return {name: getattr(row, name) for name in CHANGEABLE_FIELDS}


def _locked_user(store: Store, user_id: str) -> User:
    """Return the user's row, locked until the transaction ends. Raises `UserNotFound`."""
    row: User | None = store.locking(User.select().where(User.id == user_id)).first()
    if row is None:
        raise UserNotFound(user_id=user_id)
    return row


def _refuse_taken_email(email_key: object) -> None:
    """Raise `EmailTaken` if a user has the address, before the unique index is written.

    Otherwise two users who exchange their addresses at the same moment would each wait for the other's old address in
    the index, which is a deadlock on PostgreSQL. The old address of a locked user is committed, so this read sees it.
    """
    if User.select(User.key).where(User.email_key == email_key, NOT_CLOSED).exists():
        raise EmailTaken()


def _update_row(row: User, columns: Mapping[str, object], clock: Clock) -> User:
    """Write the columns of a locked user and mark it as due for the push."""
    due: dict[str, object] = {**columns, "update_time": clock(), "park_reason": ""}
    User.update(due).where(User.key == row.key).execute()
    for name, value in due.items():
        setattr(row, name, value)
    return _set_new_revision(row)


def _set_new_revision(row: User) -> User:
    """Set a new revision of a user that this transaction has just written, and return the user.

    The counter is locked after the row is written, not in the same statement: the write can wait in the unique index
    for another call with the same address, and that call waits for the counter. See docs/locks.md.
    """
    row.revision = take_revisions()
    User.update(revision=row.revision).where(User.key == row.key).execute()
    return row


def _message(row: User) -> user_pb2.User:
    message = user_message(row, row.active_loan_count)
    message.etag = etag(row)
    return message
