"""library.admin.v1.BranchService."""

from __future__ import annotations

import grpc

from admin_server.policy import branches, calendars
from library.admin.v1 import branch_service_pb2, branch_service_pb2_grpc
from library.v1 import branch_pb2, calendar_pb2
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = branch_service_pb2.DESCRIPTOR.services_by_name["BranchService"]


@instrument_servicer(
    SERVICE,
    rules={
        "CreateBranch": [branches.check_new_branch],
        "GetBranch": [lambda request: branches.check_code("code", request.code)],
        "ListBranches": [row_position],
        "UpdateBranch": [branches.check_branch_update],
        "GetCalendar": [lambda request: branches.check_code("branch", request.branch)],
        "UpdateCalendar": [calendars.check_calendar_update],
    },
)
class BranchServicer(branch_service_pb2_grpc.BranchServiceServicer):
    """library.admin.v1.BranchService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def CreateBranch(
        self, request: branch_service_pb2.CreateBranchRequest, context: grpc.ServicerContext
    ) -> branch_pb2.Branch:
        return branches.create_branch(self._store, request, self._clock)

    def GetBranch(
        self, request: branch_service_pb2.GetBranchRequest, context: grpc.ServicerContext
    ) -> branch_pb2.Branch:
        return branches.get_branch(self._store, request.code)

    def ListBranches(
        self, request: branch_service_pb2.ListBranchesRequest, context: grpc.ServicerContext
    ) -> branch_service_pb2.ListBranchesResponse:
        found, token = branches.list_branches(self._store, request)
        return branch_service_pb2.ListBranchesResponse(branches=found, next_page_token=token)

    def UpdateBranch(
        self, request: branch_service_pb2.UpdateBranchRequest, context: grpc.ServicerContext
    ) -> branch_pb2.Branch:
        return branches.update_branch(self._store, request, self._clock)

    def GetCalendar(
        self, request: branch_service_pb2.GetCalendarRequest, context: grpc.ServicerContext
    ) -> calendar_pb2.Calendar:
        return calendars.get_calendar(self._store, request.branch)

    def UpdateCalendar(
        self, request: branch_service_pb2.UpdateCalendarRequest, context: grpc.ServicerContext
    ) -> calendar_pb2.Calendar:
        return calendars.update_calendar(self._store, request, self._clock)
