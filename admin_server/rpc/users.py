"""library.admin.v1.UserService."""

from __future__ import annotations

import grpc

from admin_server.reports import users
from admin_server.reports.borrower_pages import BorrowerPageLimits, borrower_position
from library.admin.v1 import user_service_pb2, user_service_pb2_grpc
from library.v1 import user_pb2
from library_domain.users import check_user_query
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = user_service_pb2.DESCRIPTOR.services_by_name["UserService"]


@instrument_servicer(
    SERVICE, rules={"ListUsers": [check_user_query, row_position], "ListBorrowers": [borrower_position]}
)
class UserServicer(user_service_pb2_grpc.UserServiceServicer):
    """library.admin.v1.UserService."""

    def __init__(self, store: Store, clock: Clock, borrower_page_limits: BorrowerPageLimits) -> None:
        self._store, self._clock, self._limits = store, clock, borrower_page_limits

    def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, context: grpc.ServicerContext
    ) -> user_service_pb2.ListUsersResponse:
        found, token = users.list_users(self._store, request)
        return user_service_pb2.ListUsersResponse(users=found, next_page_token=token)

    def GetUser(self, request: user_service_pb2.GetUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return users.get_user(self._store, request.id)

    def ListBorrowers(
        self, request: user_service_pb2.ListBorrowersRequest, context: grpc.ServicerContext
    ) -> user_service_pb2.ListBorrowersResponse:
        borrowers, token = users.list_borrowers(self._store, request, self._clock, self._limits)
        return user_service_pb2.ListBorrowersResponse(borrowers=borrowers, next_page_token=token)
