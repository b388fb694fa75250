"""The blocking client: channels that retry calls where that is safe, and raise typed errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar, Unpack

import grpc

from library.access.v1.access_service_pb2_grpc import AccessServiceStub
from library.admin.v1.branch_service_pb2_grpc import BranchServiceStub
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub as AdminCatalogServiceStub
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from library.admin.v1.loan_service_pb2_grpc import LoanServiceStub
from library.admin.v1.policy_service_pb2_grpc import PolicyServiceStub
from library.admin.v1.staff_service_pb2_grpc import StaffServiceStub
from library.admin.v1.status_service_pb2_grpc import StatusServiceStub
from library.admin.v1.user_service_pb2_grpc import UserServiceStub
from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceStub
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.frontend.v1.sync_service_pb2_grpc import SyncServiceStub
from library_client.operations import Operation, OperationsStub, Wait
from library_client.paging import Page, PageRequest, following
from library_client.retries import Attempts, error_of_stream
from library_client.settings import ADMIN, CHANNEL_OPTIONS, FRONTEND, Limits, Options, Token, bearer

RequestT = TypeVar("RequestT", bound=PageRequest)
PageT = TypeVar("PageT", bound=Page)


def connect(
    target: str,
    *,
    timeout: float = Limits.timeout,
    attempts: int = Limits.attempts,
    credentials: grpc.ChannelCredentials | None = None,
    token: Token = None,
) -> grpc.Channel:
    """Open a channel to HOST:PORT, for any stub of `library.…`.

    Args:
        target: The server.
        timeout: The seconds for a call with all its attempts, unless the call has its own `timeout`.
        attempts: The most times that a call is sent. With 1, no call is retried.
        credentials: For TLS, such as `grpc.ssl_channel_credentials(ca)`; without them calls are plain text.
        token: Sent with each call, or a function that returns it. Use TLS for a token that leaves this machine.
    """
    if credentials is None:
        channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
    else:
        channel = grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
    return grpc.intercept_channel(channel, _Retrying(Limits(timeout, attempts)), _TypedErrors(), _Authorized(token))


class Connection:
    """A channel that is closed at the end of its `with` block."""

    def __init__(self, target: str, **options: Unpack[Options]) -> None:
        """Open the channel, with the keyword arguments of `connect`."""
        self.channel = connect(target, **options)

    def close(self) -> None:
        """Cancel all calls and close the connection."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Frontend(Connection):
    """The frontend service, for patrons. Its attributes are the stubs of its services."""

    def __init__(self, target: str = FRONTEND, **options: Unpack[Options]) -> None:
        """Connect to HOST:PORT, with the keyword arguments of `connect`."""
        super().__init__(target, **options)
        self.access = AccessServiceStub(self.channel)
        self.catalog = CatalogServiceStub(self.channel)
        self.lending = LendingServiceStub(self.channel)
        self.members = MemberServiceStub(self.channel)
        self.sync = SyncServiceStub(self.channel)


class Admin(Connection):
    """The admin service, for librarians. Its attributes are the stubs of `library.admin.v1`, and of operations."""

    def __init__(self, target: str = ADMIN, **options: Unpack[Options]) -> None:
        """Connect to HOST:PORT, with the keyword arguments of `connect`."""
        super().__init__(target, **options)
        self.branches = BranchServiceStub(self.channel)
        self.catalog = AdminCatalogServiceStub(self.channel)
        self.imports = ImportServiceStub(self.channel)
        self.loans = LoanServiceStub(self.channel)
        self.operations = OperationsStub(self.channel)
        self.policy = PolicyServiceStub(self.channel)
        self.staff = StaffServiceStub(self.channel)
        self.status = StatusServiceStub(self.channel)
        self.users = UserServiceStub(self.channel)


def pages(method: Callable[[RequestT], PageT], request: RequestT) -> Iterator[PageT]:
    """Yield all pages of a list, from that of `request` on.

    For example `for page in pages(library.catalog.ListBooks, ListBooksRequest(query="emma"))`. The books are in
    `page.books`.
    """
    next_request: RequestT | None = request
    while next_request is not None:
        page = method(next_request)
        yield page
        next_request = following(request, page)


def wait_until_done(library: Admin, operation: Operation, timeout: float | None = None) -> Operation:
    """Wait until an operation has ended, and return it, with its `response` or its `error`.

    Args:
        library: The service that has the operation.
        operation: As a method returned it.
        timeout: The most seconds; without it there is no limit.

    Raises:
        TimeoutError: The operation has not ended in time. It goes on.
        LibraryError: The service cannot be asked.
    """
    wait = Wait(operation.name, timeout)
    while not operation.done:
        operation = library.operations.WaitOperation(wait.next_request())
        if not operation.done:
            time.sleep(wait.pause())
    return operation


class _Call(grpc.ClientCallDetails):
    """The details of a call, with another timeout, and with more metadata."""

    def __init__(
        self, call: grpc.ClientCallDetails, timeout: float | None, more: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.method, self.timeout = call.method, timeout
        self.metadata = (*(call.metadata or ()), *more)
        self.credentials, self.compression = call.credentials, call.compression
        self.wait_for_ready = call.wait_for_ready


class _Retrying(grpc.UnaryUnaryClientInterceptor):
    """Retries a call until it succeeds or `Attempts` raises. So `.future(…)` of a stub also waits for the answer."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        attempts = Attempts(client_call_details.method, request, client_call_details.timeout, self._limits)
        while True:
            call = continuation(_Call(client_call_details, attempts.next_timeout()), attempts.request)
            error = call.exception()
            if error is None:
                return call
            time.sleep(attempts.pause_after(error))


class _TypedErrors(grpc.StreamUnaryClientInterceptor):
    """Raises typed errors for streams of requests. Streams are not retried, and have only the caller's timeout."""

    def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        call = continuation(client_call_details, request_iterator)
        error = call.exception()
        if error is not None:
            raise error_of_stream(error)
        return call


class _Authorized(grpc.UnaryUnaryClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Sends a token with each attempt of a call. The contract has methods of these two kinds only."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(self._with_token(client_call_details), request)

    def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        return continuation(self._with_token(client_call_details), request_iterator)

    def _with_token(self, call: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        return _Call(call, call.timeout, bearer(self._token)) if self._token else call
