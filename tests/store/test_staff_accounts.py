"""Accounts of the staff at the frontend: a role guards its user's account, and ends with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from frontend_server.access.accounts import StoredAccounts
from frontend_server.members.members import close_user, get_user, update_user
from frontend_server.members.privacy import erase_user
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON, Role
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EraseUserRequest, UpdateUserRequest
from library.v1.staff_pb2 import StaffRole
from library.v1.user_pb2 import User
from library_domain.access.callers import Caller
from library_domain.access.errors import RoleRequired
from tests.support.frontend import LocalFrontend

CHANGES: dict[str, Callable[[LocalFrontend, str, Caller], Any]] = {
    "another address": lambda frontend, user_id, caller: update_user(
        frontend.store,
        UpdateUserRequest(user=User(id=user_id, email=f"new-{user_id}@example.org")),
        frontend.clock,
        caller,
    ),
    "closing": lambda frontend, user_id, caller: close_user(
        frontend.store, CloseUserRequest(id=user_id), frontend.clock, caller
    ),
    "erasing": lambda frontend, user_id, caller: erase_user(
        frontend.store, EraseUserRequest(user_id=user_id), frontend.clock, caller
    ),
}


def with_role(frontend: LocalFrontend, role: Role.ValueType) -> str:
    user_id = frontend.user().id
    frontend.receive(StaffRole(user_id=user_id, role=role))
    return user_id


def test_who_has_no_higher_role_does_not_change_the_account_of_a_colleague(frontend: LocalFrontend) -> None:
    librarian = Caller(ROLE_LIBRARIAN, user_id=with_role(frontend, ROLE_LIBRARIAN))
    manager = Caller(ROLE_MANAGER, user_id=with_role(frontend, ROLE_MANAGER))
    for role, caller in [(ROLE_LIBRARIAN, librarian), (ROLE_ADMIN, librarian), (ROLE_ADMIN, manager)]:
        user_id = with_role(frontend, role)
        before = get_user(frontend.store, user_id)
        for change in CHANGES.values():
            with pytest.raises(RoleRequired):
                change(frontend, user_id, caller)
        assert get_user(frontend.store, user_id) == before
    for role, caller in [(ROLE_PATRON, librarian), (ROLE_LIBRARIAN, manager), (ROLE_ADMIN, Caller(ROLE_ADMIN))]:
        for change in CHANGES.values():
            change(frontend, with_role(frontend, role), caller)
    for change in CHANGES.values():
        own = with_role(frontend, ROLE_LIBRARIAN)
        change(frontend, own, Caller(ROLE_LIBRARIAN, user_id=own))


def test_a_role_ends_with_the_account(frontend: LocalFrontend) -> None:
    accounts = StoredAccounts(frontend.store)
    for change in ("closing", "erasing"):
        user_id = with_role(frontend, ROLE_ADMIN)
        account = accounts.account(user_id)
        assert account is not None
        assert account.role == ROLE_ADMIN
        CHANGES[change](frontend, user_id, Caller(ROLE_ADMIN))
        assert accounts.account(user_id) is None
