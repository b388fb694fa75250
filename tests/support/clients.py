"""Generated stubs, all of a server at a time, and the contents of its errors."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from library.access.v1.access_service_pb2_grpc import AccessServiceStub
from library.admin.v1.branch_service_pb2_grpc import BranchServiceStub
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub as AdminCatalogServiceStub
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.admin.v1.loan_service_pb2_grpc import LoanServiceStub
from library.admin.v1.policy_service_pb2_grpc import PolicyServiceStub
from library.admin.v1.staff_service_pb2_grpc import StaffServiceStub
from library.admin.v1.status_service_pb2_grpc import StatusServiceStub
from library.admin.v1.user_service_pb2_grpc import UserServiceStub
from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.frontend.v1.circulation_service_pb2_grpc import CirculationServiceStub
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceStub
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.frontend.v1.sync_service_pb2_grpc import SyncServiceStub as FrontendSyncServiceStub
from library.sync.v1.sync_service_pb2_grpc import SyncServiceStub
from library_domain.pairing import HEADER, Credentials

STATUS_DETAILS = "grpc-status-details-bin"

_DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.ResourceInfo,
    error_details_pb2.RequestInfo,
    error_details_pb2.RetryInfo,
)


class AdminClient:
    """Stubs of all the admin's services."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.catalog = AdminCatalogServiceStub(channel)
        self.branches = BranchServiceStub(channel)
        self.policy = PolicyServiceStub(channel)
        self.users = UserServiceStub(channel)
        self.loans = LoanServiceStub(channel)
        self.inventory = InventoryServiceStub(channel)
        self.staff = StaffServiceStub(channel)
        self.status = StatusServiceStub(channel)
        self.sync = SyncServiceStub(with_credentials(channel))


class FrontendClient:
    """Stubs of all the frontend's services."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.access = AccessServiceStub(channel)
        self.members = MemberServiceStub(channel)
        self.catalog = CatalogServiceStub(channel)
        self.lending = LendingServiceStub(channel)
        self.circulation = CirculationServiceStub(channel)
        self.sync = FrontendSyncServiceStub(channel)


@dataclass
class Refusal:
    """The code, message and details of an error."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    further_reasons: list[str] = field(default_factory=list)
    """Of a call that is refused for several reasons, those after the first."""
    fields: dict[str, str] = field(default_factory=dict)
    """The BadRequest: each field's path, and what is wrong with it."""
    resource: tuple[str, str] | None = None
    """The ResourceInfo: the type and the name of what is missing."""
    request_id: str = ""
    retry_seconds: float | None = None


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """A channel to a server of this machine. It looks for one that was killed and started again at once."""
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 20),
        ("grpc.min_reconnect_backoff_ms", 500),
        ("grpc.max_reconnect_backoff_ms", 100),
    ]
    if credentials is not None:
        return grpc.secure_channel(address, credentials, options=options)
    return grpc.insecure_channel(address, options=options)


CREDENTIALS = Credentials(str(uuid.UUID(int=0xF)), "s" * 43)
"""Of the frontend that tests play when they call the sync methods themselves."""


def with_credentials(channel: grpc.Channel, credentials: Credentials = CREDENTIALS) -> grpc.Channel:
    """Prove with each call that makes no claim of its own who makes it, as a frontend does."""
    return grpc.intercept_channel(channel, _Authorizing(credentials))


class _Authorizing(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, credentials: Credentials) -> None:
        self._metadata = credentials.metadata()

    def intercept_unary_unary(self, continuation: Any, call: Any, request: Any) -> Any:
        given = tuple(call.metadata or ())
        has_own = any(key == HEADER for key, _ in given)
        return continuation(_Call(call, given if has_own else given + self._metadata), request)


class _Call(grpc.ClientCallDetails):
    def __init__(self, call: Any, metadata: tuple[tuple[str, Any], ...]) -> None:
        self.method, self.timeout, self.metadata = call.method, call.timeout, metadata
        self.credentials, self.wait_for_ready, self.compression = (
            call.credentials,
            call.wait_for_ready,
            call.compression,
        )


def refusal_of(error: grpc.RpcError) -> Refusal:
    """Read the error of a call through a stub."""
    call: Any = error  # the one that a stub raises is a grpc.Call, too
    return read_refusal(call.code(), call.details() or "", call.trailing_metadata() or ())


def _add_reason(refusal: Refusal, info: error_details_pb2.ErrorInfo) -> None:
    if refusal.reason:
        refusal.further_reasons.append(info.reason)
    else:
        refusal.reason, refusal.domain, refusal.metadata = info.reason, info.domain, dict(info.metadata)


def read_refusal(code: grpc.StatusCode, message: str, trailing_metadata: object) -> Refusal:
    """Read the google.rpc details in the trailing metadata, which repeat the code and the message."""
    assert isinstance(trailing_metadata, (tuple, list))
    refusal = Refusal(code, message)
    serialized = dict(trailing_metadata).get(STATUS_DETAILS)
    if serialized is None:
        return refusal
    status = status_pb2.Status.FromString(serialized)
    assert (status.code, status.message) == (code.value[0], message)
    for packed in status.details:
        detail = next(kind() for kind in _DETAILS if packed.TypeName() == kind.DESCRIPTOR.full_name)
        packed.Unpack(detail)
        if isinstance(detail, error_details_pb2.ErrorInfo):
            _add_reason(refusal, detail)
        elif isinstance(detail, error_details_pb2.BadRequest):
            refusal.fields = {violation.field: violation.description for violation in detail.field_violations}
        elif isinstance(detail, error_details_pb2.ResourceInfo):
            refusal.resource = (detail.resource_type, detail.resource_name)
        elif isinstance(detail, error_details_pb2.RequestInfo):
            refusal.request_id = detail.request_id
        elif isinstance(detail, error_details_pb2.RetryInfo):
            refusal.retry_seconds = detail.retry_delay.ToTimedelta().total_seconds()
    return refusal
