"""The calls to StaffService."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from library.admin.v1.staff_service_pb2 import ListApiTokensRequest, ListStaffRolesRequest
from library.admin.v1.staff_service_pb2_grpc import StaffServiceStub
from library.admin.v1.user_service_pb2 import GetUserRequest
from library.admin.v1.user_service_pb2_grpc import UserServiceStub
from library.v1.staff_pb2 import ApiToken, StaffRole
from library.v1.user_pb2 import User
from library_cli.channel import ANSWER_SECONDS, pages
from library_cli.desk.calls import PAGE_SIZE, Desk
from library_cli.grpc_errors import reason_of
from library_domain.access.roles import STAFF_ROLES, role_name

STAFF_ROLE_NAMES = [role_name(role) for role in STAFF_ROLES]


class StaffOffice(Desk):
    """The calls of an admin. All methods raise grpc.RpcError."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self.staff = StaffServiceStub(channel)
        self.recorded_users = UserServiceStub(channel)

    def roles(self) -> Iterator[StaffRole]:
        for page in pages(self.staff.ListStaffRoles, ListStaffRolesRequest(page_size=PAGE_SIZE)):
            yield from page.staff_roles

    def tokens(self) -> Iterator[ApiToken]:
        for page in pages(self.staff.ListApiTokens, ListApiTokensRequest(page_size=PAGE_SIZE)):
            yield from page.api_tokens

    def recorded_user(self, user_id: str) -> User:
        """Return a user; only with the id if the frontend service has not pushed the user yet."""
        try:
            return self.recorded_users.GetUser(GetUserRequest(id=user_id), timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            if reason_of(error) != "USER_NOT_FOUND":
                raise
            return User(id=user_id)
