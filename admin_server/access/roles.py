"""Admins grant roles to users, and list them."""

from __future__ import annotations

import json
from typing import Any

from admin_server.access.messages import role_message
from admin_server.access.still_admin import check_still_admin
from admin_server.store.models import StaffRole, User
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_PATRON
from library.admin.v1.staff_service_pb2 import GrantRoleRequest, ListStaffRolesRequest
from library.v1 import staff_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.access.callers import Caller
from library_domain.access.errors import LastAdmin
from library_domain.access.override_reasons import OVERRIDABLE
from library_domain.errors import UserClosed, UserNotFound
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.idempotency import once
from service_kit.paging import page
from service_kit.revisions import lock_revisions, take_revisions
from service_kit.row_lists import list_rows
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import readable
from service_kit.validation import Problem

IS_STAFF = StaffRole.role > ROLE_PATRON
NOT_ACTIVE = User.select(User.id).where(User.state != USER_STATE_ACTIVE)
IS_IN_USE = StaffRole.user_id.not_in(NOT_ACTIVE)
"""The role of a closed account has no effect. That of a user whom the frontend has not pushed yet has one."""


def grant_role(store: Store, request: GrantRoleRequest, clock: Clock, caller: Caller) -> staff_pb2.StaffRole:
    """Grant a role to a user in place of the present one; PATRON revokes it.

    Raises:
        FieldInvalid: A reason cannot be overridden, or the role needs no reasons.
        UserNotFound: The frontend has not pushed a user with this id.
        UserClosed: The account is closed.
        LastAdmin: The user is the only admin.
        RoleRequired: The caller has lost the role meanwhile.
    """
    check_grant(request)
    user_id = request.user_id.lower()

    def grant() -> staff_pb2.StaffRole:
        lock_revisions()  # so that of two admins who revoke each other's role at once, the second one is refused
        check_still_admin(caller, clock())
        row = _stored(user_id)
        if row is None or request.role != ROLE_PATRON:
            _check_user(user_id)
        return _granted(row, request, clock)

    with readable("staff role", user_id):
        return once(store, request, staff_pb2.StaffRole, grant, clock)


def grant_role_on_machine(store: Store, request: GrantRoleRequest, clock: Clock) -> staff_pb2.StaffRole:
    """Grant a role as an operator decided, also to a user whom the frontend has not pushed yet.

    Raises `FieldInvalid`, `UserClosed` and `LastAdmin`.
    """
    check_grant(request)
    with store.writing():
        lock_revisions()
        if request.role != ROLE_PATRON and _is_closed(request.user_id):
            raise UserClosed(user_id=request.user_id)
        return _granted(_stored(request.user_id), request, clock)


def list_staff_roles(store: Store, request: ListStaffRolesRequest) -> tuple[list[staff_pb2.StaffRole], str]:
    """Return a page of the roles that are in use, in the order in which they were first granted, and the next token."""
    with store.reading():
        rows = list_rows(StaffRole, request, [IS_STAFF, IS_IN_USE])
    return page(request, rows, role_message, lambda row: row.key)


def check_grant(request: GrantRoleRequest) -> None:
    """Raise `FieldInvalid` with all problems of the reasons that the contract's own rules do not cover."""
    wrong: list[Problem] = [
        (f"override_reasons[{place}]", f"{reason} is not a refusal that can be overridden, such as LOAN_LIMIT_REACHED")
        for place, reason in enumerate(request.override_reasons)
        if reason not in OVERRIDABLE
    ]
    if request.override_reasons and request.role != ROLE_LIBRARIAN:
        wrong.append(("override_reasons", "must be empty for any role but LIBRARIAN"))
    if wrong:
        raise FieldInvalid(*wrong)


def _granted(row: StaffRole | None, request: GrantRoleRequest, clock: Clock) -> staff_pb2.StaffRole:
    """Write the role, unless the user has it already; the revisions are locked."""
    user_id = request.user_id.lower()
    columns: dict[str, Any] = {
        "role": request.role,
        "override_reasons": json.dumps(sorted(request.override_reasons)),
    }
    if row is None:
        if request.role == ROLE_PATRON:
            return staff_pb2.StaffRole(user_id=user_id, role=ROLE_PATRON)
        now = clock()
        times = {"create_time": now, "update_time": now}
        return role_message(StaffRole.create(user_id=user_id, revision=take_revisions(), **columns, **times))
    if row.role == ROLE_ADMIN != request.role and not _has_other_admin(user_id):
        raise LastAdmin(user_id=user_id)
    if any(getattr(row, name) != value for name, value in columns.items()):
        for name, value in columns.items():
            setattr(row, name, value)
        row.update_time, row.revision = clock(), take_revisions()
        row.save()
    return role_message(row)


def _has_other_admin(user_id: str) -> bool:
    admins = StaffRole.select(StaffRole.key).where(
        StaffRole.role == ROLE_ADMIN, StaffRole.user_id != user_id, IS_IN_USE
    )
    return bool(admins.exists())


def _stored(user_id: str) -> StaffRole | None:
    row: StaffRole | None = StaffRole.get_or_none(StaffRole.user_id == user_id)
    return row


def _check_user(user_id: str) -> None:
    states = tuples(User.select(User.state).where(User.id == user_id))
    if not states:
        raise UserNotFound(user_id=user_id)
    if states[0][0] != USER_STATE_ACTIVE:
        raise UserClosed(user_id=user_id)


def _is_closed(user_id: str) -> bool:
    return bool(User.select(User.key).where(User.id == user_id, User.state != USER_STATE_ACTIVE).exists())
