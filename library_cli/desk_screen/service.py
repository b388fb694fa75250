"""The calls of the desk, sent again with the same request id when the connection drops."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1.circulation_service_pb2_grpc import CirculationServiceStub
from library.frontend.v1.lending_service_pb2 import ListLoansRequest, RenewLoanRequest
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceStub
from library.frontend.v1.member_service_pb2 import GetUserRequest, ListUsersRequest
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library_cli.channel import ANSWER_SECONDS
from library_cli.desk.refusals import BUSY_REASONS, service_refusals
from library_cli.desk_screen.entries import NoAnswer, Printed, PrintOut, Refused, Reply, Step, Steps
from library_cli.grpc_errors import explain

PRINT_SECONDS = 30.0

RECONNECT_SECONDS = 5.0
"""How long a call that was not answered waits for a new connection. A restart of the service takes less."""


class Service:
    """Makes the calls that the steps of a line ask for."""

    def __init__(self, channel: grpc.Channel, target: str, print_with: str = "") -> None:
        """`print_with` is a shell command that prints what it reads; empty: nothing is printed."""
        desk, members, lending = (
            CirculationServiceStub(channel),
            MemberServiceStub(channel),
            LendingServiceStub(channel),
        )
        self._target, self._print_with = target, print_with
        self._methods: dict[type[Message], Callable[..., Any]] = {
            pb.CheckOutRequest: desk.CheckOut,
            pb.CheckInRequest: desk.CheckIn,
            pb.RenewRequest: desk.Renew,
            pb.ExplainRuleRequest: desk.ExplainRule,
            pb.LookupItemRequest: desk.LookupItem,
            pb.CancelCheckOutRequest: desk.CancelCheckOut,
            pb.CancelCheckInRequest: desk.CancelCheckIn,
            pb.GetLibrarySettingsRequest: desk.GetLibrarySettings,
            ListUsersRequest: members.ListUsers,
            GetUserRequest: members.GetUser,
            ListLoansRequest: lending.ListLoans,
            RenewLoanRequest: lending.RenewLoan,
        }

    def run(self, steps: Steps[None]) -> None:
        """Make the calls of a line, one after the other."""
        try:
            step = next(steps)
            while True:
                step = steps.send(self._reply(step))
        except StopIteration:
            return

    def _reply(self, step: Step) -> Reply:
        if isinstance(step, PrintOut):
            return self._printed(step.text)
        method = self._methods[type(step)]
        try:
            return method(step, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                return self._failed(error)
            first = error
        try:
            # With the same request id, so that the call is carried out once.
            return method(step, timeout=RECONNECT_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            # The first error shows the cause. The second may only be that the service was not reached in time.
            return self._failed(first if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else error)

    def _failed(self, error: grpc.RpcError) -> Refused | NoAnswer:
        refusals = service_refusals(error)
        if not refusals or refusals[0].reason in BUSY_REASONS:
            return NoAnswer(explain(error, self._target))
        return Refused(refusals)

    def _printed(self, text: str) -> Printed:
        if not self._print_with:
            return Printed()
        try:
            done = subprocess.run(
                self._print_with,
                shell=True,
                input=text.encode(),
                capture_output=True,
                timeout=PRINT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return Printed(str(problem))
        return Printed("" if done.returncode == 0 else done.stderr.decode(errors="replace").strip() or "it failed")
