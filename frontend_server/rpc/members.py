"""library.frontend.v1.MemberService."""

from __future__ import annotations

import grpc

from frontend_server.members import blocks, members, own_fields, privacy
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1 import member_service_pb2, member_service_pb2_grpc
from library.v1 import user_pb2
from library_domain.access.callers import caller_of
from library_domain.users import check_user_query
from service_kit.clock import micros
from service_kit.id_prefixes import check_id_prefix
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

MEMBER_SERVICE = member_service_pb2.DESCRIPTOR.services_by_name["MemberService"]


@instrument_servicer(
    MEMBER_SERVICE,
    rules={
        "EnrollUser": [own_fields.check_enrolment],
        "ListUsers": [check_user_query, members.check_filters, check_id_prefix, row_position],
        "UpdateUser": [own_fields.check_update],
        "BlockUser": [blocks.check_block],
        "ExportUser": [privacy.export_position],
        "AnonymizeLoans": [privacy.check_anonymization],
    },
)
class MemberServicer(member_service_pb2_grpc.MemberServiceServicer):
    """library.frontend.v1.MemberService."""

    def __init__(self, store: Store, clock: WatchedClock, sync: Sync) -> None:
        self._store, self._clock, self._sync = store, clock, sync

    def EnrollUser(self, request: member_service_pb2.EnrollUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return self._changed(members.enroll_user(self._store, request, self._clock.now))

    def GetUser(self, request: member_service_pb2.GetUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return members.get_user(self._store, request.id)

    def ListUsers(
        self, request: member_service_pb2.ListUsersRequest, context: grpc.ServicerContext
    ) -> member_service_pb2.ListUsersResponse:
        users, token = members.list_users(self._store, request)
        return member_service_pb2.ListUsersResponse(users=users, next_page_token=token)

    def UpdateUser(self, request: member_service_pb2.UpdateUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return self._changed(members.update_user(self._store, request, self._clock.now, caller_of(context)))

    def CloseUser(self, request: member_service_pb2.CloseUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return self._changed(members.close_user(self._store, request, self._clock.now, caller_of(context)))

    def BlockUser(self, request: member_service_pb2.BlockUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return self._changed(blocks.block_user(self._store, request, self._clock.now))

    def UnblockUser(
        self, request: member_service_pb2.UnblockUserRequest, context: grpc.ServicerContext
    ) -> user_pb2.User:
        return self._changed(blocks.unblock_user(self._store, request, self._clock.now))

    def ExportUser(
        self, request: member_service_pb2.ExportUserRequest, context: grpc.ServicerContext
    ) -> member_service_pb2.ExportUserResponse:
        return privacy.export_user(self._store, request, self._clock.now, caller_of(context))

    def EraseUser(self, request: member_service_pb2.EraseUserRequest, context: grpc.ServicerContext) -> user_pb2.User:
        return self._changed(privacy.erase_user(self._store, request, self._clock.now, caller_of(context)))

    def AnonymizeLoans(
        self, request: member_service_pb2.AnonymizeLoansRequest, context: grpc.ServicerContext
    ) -> member_service_pb2.AnonymizeLoansResponse:
        response = privacy.anonymize_loans(self._store, request, self._clock.now)
        self._sync.request_push()
        return response

    def _changed(self, user: user_pb2.User) -> user_pb2.User:
        self._sync.request_push()
        self._clock.note_time(micros(user.update_time))
        return user
