"""A case for each method that changes roles and API tokens: `STAFF_CASES`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from library.access.v1.access_pb2 import ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON, Role
from library.admin.v1 import staff_service_pb2
from library.admin.v1.user_service_pb2 import GetUserRequest
from library.v1.staff_pb2 import ApiToken
from tests.support.request_id_case import Case

if TYPE_CHECKING:
    from tests.support.request_id_cases import Desk


def granting(desk: Desk) -> Case:
    user_id = desk.user().id
    _wait_for_user(desk, user_id)

    def request(role: Role.ValueType) -> Any:
        return staff_service_pb2.GrantRoleRequest(user_id=user_id, role=role)

    def count(answer: bytes) -> int:
        roles = desk.admin.staff.ListStaffRoles(staff_service_pb2.ListStaffRolesRequest(page_size=1_000)).staff_roles
        return sum(role.user_id == user_id for role in roles)

    return Case(
        request(ROLE_LIBRARIAN),
        request(ROLE_MANAGER),
        lambda answer: desk.admin.staff.GrantRole(request(ROLE_PATRON)),
        count,
    )


def revoking(desk: Desk) -> Case:
    def request() -> Any:
        new = staff_service_pb2.CreateApiTokenRequest(display_name=uuid.uuid4().hex, role=ROLE_LIBRARIAN)
        return staff_service_pb2.RevokeApiTokenRequest(id=desk.admin.staff.CreateApiToken(new).api_token.id)

    def count(answer: bytes) -> int:
        tokens = desk.admin.staff.ListApiTokens(staff_service_pb2.ListApiTokensRequest(page_size=1_000)).api_tokens
        return sum(token == ApiToken.FromString(answer) for token in tokens)

    return Case(request(), request(), lambda answer: None, count)  # nothing changes a revoked token


def _wait_for_user(desk: Desk, user_id: str) -> None:
    deadline = time.monotonic() + 100
    while True:
        try:
            desk.admin.users.GetUser(GetUserRequest(id=user_id))
            return
        except grpc.RpcError:
            assert time.monotonic() < deadline
        time.sleep(0.02)


STAFF_CASES: dict[str, Callable[[Desk], Case]] = {
    "library.admin.v1.StaffService/GrantRole": granting,
    "library.admin.v1.StaffService/RevokeApiToken": revoking,
}
