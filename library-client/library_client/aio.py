"""The client for asyncio, on `grpc.aio`: the same names as in `library_client`, whose calls are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
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
) -> grpc.aio.Channel:
    """Open a channel to HOST:PORT, for any stub of `library.…`.

    Args:
        target: The server.
        timeout: The seconds for a call with all its attempts, unless the call has its own `timeout`.
        attempts: The most times that a call is sent. With 1, no call is retried.
        credentials: For TLS, such as `grpc.ssl_channel_credentials(ca)`; without them calls are plain text.
        token: Sent with each call, or a function that returns it. Use TLS for a token that leaves this machine.
    """
    interceptors = [_Retrying(Limits(timeout, attempts)), _TypedErrors()]
    if token:
        interceptors += [_Authorized(token), _AuthorizedStream(token)]
    if credentials is None:
        return grpc.aio.insecure_channel(target, CHANNEL_OPTIONS, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS, interceptors=interceptors)


class Connection:
    """A channel that is closed at the end of its `async with` block."""

    def __init__(self, target: str, **options: Unpack[Options]) -> None:
        """Open the channel, with the keyword arguments of `connect`."""
        self.channel = connect(target, **options)

    async def close(self) -> None:
        """Cancel all calls and close the connection."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


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


async def pages(method: Callable[[RequestT], Awaitable[PageT]], request: RequestT) -> AsyncIterator[PageT]:
    """Yield all pages of a list, from that of `request` on.

    For example `async for page in pages(library.catalog.ListBooks, ListBooksRequest(query="emma"))`. The books are in
    `page.books`.
    """
    next_request: RequestT | None = request
    while next_request is not None:
        page = await method(next_request)
        yield page
        next_request = following(request, page)


async def wait_until_done(library: Admin, operation: Operation, timeout: float | None = None) -> Operation:
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
        operation = await library.operations.WaitOperation(wait.next_request())
        if not operation.done:
            await asyncio.sleep(wait.pause())
    return operation


class _Retrying(grpc.aio.UnaryUnaryClientInterceptor):
    """Retries a call until it succeeds or `Attempts` raises."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        given = client_call_details
        attempts = Attempts(given.method, request, given.timeout, self._limits)
        while True:
            details = grpc.aio.ClientCallDetails(
                given.method, attempts.next_timeout(), given.metadata, given.credentials, given.wait_for_ready
            )
            call = await continuation(details, attempts.request)
            try:
                await call
            except grpc.RpcError as error:
                pause = attempts.pause_after(error)
            else:
                return call
            await asyncio.sleep(pause)


class _TypedErrors(grpc.aio.StreamUnaryClientInterceptor):
    """Raises typed errors for streams of requests. Streams are not retried, and have only the caller's timeout."""

    async def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request_iterator: Any
    ) -> Any:
        # Not awaited here: the caller's messages are only sent after this has returned.
        return _TypedCall(await continuation(client_call_details, request_iterator))


class _TypedCall:
    """A call whose answer raises typed errors."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self._call.__await__())
        except grpc.RpcError as error:
            raise error_of_stream(error) from None


class _Authorized(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends a token with each attempt of a call."""

    def __init__(self, token: Token) -> None:
        self._token = token

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(_with_token(client_call_details, self._token), request)


class _AuthorizedStream(grpc.aio.StreamUnaryClientInterceptor):
    """The same for streams of requests. `grpc.aio` uses an interceptor for one kind of call only."""

    def __init__(self, token: Token) -> None:
        self._token = token

    async def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request_iterator: Any
    ) -> Any:
        return await continuation(_with_token(client_call_details, self._token), request_iterator)


def _with_token(call: grpc.aio.ClientCallDetails, token: Token) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(call.metadata or ()), *bearer(token))
    return grpc.aio.ClientCallDetails(call.method, call.timeout, metadata, call.credentials, call.wait_for_ready)
