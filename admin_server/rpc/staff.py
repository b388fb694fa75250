"""library.admin.v1.StaffService."""

from __future__ import annotations

import grpc

from admin_server.access import api_tokens, audit, roles
from library.admin.v1 import staff_service_pb2, staff_service_pb2_grpc
from library.v1 import staff_pb2
from library_domain.access.callers import caller_of
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = staff_service_pb2.DESCRIPTOR.services_by_name["StaffService"]


@instrument_servicer(
    SERVICE,
    rules={
        "GrantRole": [roles.check_grant],
        "ListStaffRoles": [row_position],
        "CreateApiToken": [api_tokens.check_new_token],
        "ListApiTokens": [row_position],
        "ListAuditEntries": [row_position],
    },
)
class StaffServicer(staff_service_pb2_grpc.StaffServiceServicer):
    """library.admin.v1.StaffService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def GrantRole(
        self, request: staff_service_pb2.GrantRoleRequest, context: grpc.ServicerContext
    ) -> staff_pb2.StaffRole:
        return roles.grant_role(self._store, request, self._clock, caller_of(context))

    def ListStaffRoles(
        self, request: staff_service_pb2.ListStaffRolesRequest, context: grpc.ServicerContext
    ) -> staff_service_pb2.ListStaffRolesResponse:
        found, token = roles.list_staff_roles(self._store, request)
        return staff_service_pb2.ListStaffRolesResponse(staff_roles=found, next_page_token=token)

    def CreateApiToken(
        self, request: staff_service_pb2.CreateApiTokenRequest, context: grpc.ServicerContext
    ) -> staff_service_pb2.CreateApiTokenResponse:
        return api_tokens.create_api_token(self._store, request, self._clock, caller_of(context))

    def ListApiTokens(
        self, request: staff_service_pb2.ListApiTokensRequest, context: grpc.ServicerContext
    ) -> staff_service_pb2.ListApiTokensResponse:
        found, token = api_tokens.list_api_tokens(self._store, request)
        return staff_service_pb2.ListApiTokensResponse(api_tokens=found, next_page_token=token)

    def RevokeApiToken(
        self, request: staff_service_pb2.RevokeApiTokenRequest, context: grpc.ServicerContext
    ) -> staff_pb2.ApiToken:
        return api_tokens.revoke_api_token(self._store, request, self._clock, caller_of(context))

    def ListAuditEntries(
        self, request: staff_service_pb2.ListAuditEntriesRequest, context: grpc.ServicerContext
    ) -> staff_service_pb2.ListAuditEntriesResponse:
        found, token = audit.list_audit_entries(self._store, request)
        return staff_service_pb2.ListAuditEntriesResponse(audit_entries=found, next_page_token=token)
