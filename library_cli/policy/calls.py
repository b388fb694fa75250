"""The calls to the admin service that the commands for rules and calendars make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from library.admin.v1.branch_service_pb2 import GetCalendarRequest, ListBranchesRequest, UpdateCalendarRequest
from library.admin.v1.branch_service_pb2_grpc import BranchServiceStub
from library.admin.v1.policy_service_pb2 import ListCirculationRulesRequest
from library.admin.v1.policy_service_pb2_grpc import PolicyServiceStub
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar
from library.v1.circulation_rule_pb2 import CirculationRule
from library_cli.channel import ANSWER_SECONDS, connected, pages
from library_cli.desk.calls import PAGE_SIZE, Desk
from library_cli.desk.refusals import ended_by_refusals


class Office(Desk):
    """The calls of a librarian to the admin service. All methods raise grpc.RpcError."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self.policy = PolicyServiceStub(channel)
        self.branches = BranchServiceStub(channel)

    def rules(self) -> Iterator[CirculationRule]:
        for page in pages(self.policy.ListCirculationRules, ListCirculationRulesRequest(page_size=PAGE_SIZE)):
            yield from page.rules

    def all_branches(self) -> Iterator[Branch]:
        for page in pages(self.branches.ListBranches, ListBranchesRequest(page_size=PAGE_SIZE)):
            yield from page.branches

    def calendar(self, branch: str) -> Calendar:
        return self.branches.GetCalendar(GetCalendarRequest(branch=branch), timeout=ANSWER_SECONDS)

    def update_calendar(self, calendar: Calendar, *lists: str) -> Calendar:
        request = UpdateCalendarRequest(calendar=calendar)
        request.update_mask.paths.extend(lists)
        return self.change(self.branches.UpdateCalendar, request)


@contextmanager
def in_office(target: str, *, json_wanted: bool = False) -> Iterator[Office]:
    """Open the admin service at `target` for a command. A refusal ends the command with its sentences."""
    with ended_by_refusals(json_wanted=json_wanted), connected(target) as channel:
        yield Office(channel)
