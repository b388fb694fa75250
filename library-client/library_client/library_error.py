"""The base class of all errors of calls; `library_client.errors` has a subclass for each reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import grpc
from google.protobuf.message import DecodeError

from library_client.status_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo, Status

STATUS = "grpc-status-details-bin"
"""The trailing metadata with the details of an error."""
DOMAIN = "lending-library"
"""The domain of the reasons in `library.v1.ErrorReason`."""


class FieldViolation(NamedTuple):
    """The problem of one field of a request."""

    field: str
    """Its path, such as `user.email`."""
    description: str


class Refusal(NamedTuple):
    """One of the reasons for which a call was refused."""

    reason: str
    """Its name in `library.v1.ErrorReason`, without the prefix."""
    metadata: Mapping[str, str]


class Details(NamedTuple):
    """The details of an error."""

    refusals: Sequence[Refusal] = ()
    violations: Sequence[FieldViolation] = ()
    log_id: str = ""
    retry_after: float | None = None


class LibraryError(grpc.aio.AioRpcError):
    """A call failed. `str(error)` is a sentence for people; `code()` is the status.

    Its subclasses in `library_client.errors` show the reason. This class itself is raised for errors without a reason,
    such as an unreachable server, and for reasons that are newer than this package; then `reason` has the name.

    It is a `grpc.RpcError`, also for calls without `grpc.aio`.
    """

    reason: str = ""
    """The name in `library.v1.ErrorReason`, without the prefix; empty for an error without a reason."""
    metadata: Mapping[str, str]
    """The values in the message, such as `next_available_time`."""
    refusals: Sequence[Refusal]
    """All reasons for which the call was refused. The first one is `reason` and `metadata`; docs/errors.md has the
    order. Empty for an error without a reason."""
    violations: Sequence[FieldViolation]
    """The problems of the request's fields."""
    log_id: str
    """The request id in the log of the server; empty if no server answered."""
    retry_after: float | None
    """The seconds to wait before the call is sent again, if the server sent them."""
    request_id: str = ""
    """The `request_id` that was sent. Retry the same request with it, and the change is made once."""
    is_outcome_unknown: bool = False
    """Whether the change may have been made: the answer was lost, or the server failed."""

    def __init__(
        self,
        code: grpc.StatusCode,
        initial_metadata: grpc.aio.Metadata | None = None,
        trailing_metadata: grpc.aio.Metadata | None = None,
        details: str | None = None,
        debug_error_string: str | None = None,
    ) -> None:
        """Read the details in the trailing metadata."""
        super().__init__(code, initial_metadata, trailing_metadata, details, debug_error_string)
        read = read_details(trailing_metadata or ())
        self.refusals, self.violations = read.refusals, read.violations
        first = read.refusals[0] if read.refusals else Refusal(self.reason, {})
        self.reason, self.metadata = first
        self.log_id, self.retry_after = read.log_id, read.retry_after

    def __str__(self) -> str:
        """Return the message of the server, or of gRPC if no server answered."""
        return self.details() or self.code().name

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the attributes that were set after the error was made, such as `request_id`."""
        made_from = (
            self.code(),
            self.initial_metadata(),
            self.trailing_metadata(),
            self.details(),
            self.debug_error_string(),
        )
        return type(self), made_from, {"request_id": self.request_id, "is_outcome_unknown": self.is_outcome_unknown}


def read_details(trailing_metadata: Iterable[tuple[str, str | bytes]]) -> Details:
    """Return the details of an error. Details that cannot be parsed, such as a proxy's, are left out."""
    for key, value in trailing_metadata:
        if key == STATUS and isinstance(value, bytes):
            try:
                return _details_of(Status.FromString(value))
            except DecodeError:
                return Details()
    return Details()


def _details_of(status: Status) -> Details:
    infos: list[ErrorInfo] = []
    request, retry, problems = RequestInfo(), RetryInfo(), BadRequest()
    messages = {f"google.rpc.{each.DESCRIPTOR.name}": each for each in (request, retry, problems)}
    for detail in status.details:
        if detail.TypeName() == "google.rpc.ErrorInfo":
            infos.append(ErrorInfo.FromString(detail.value))
        elif message := messages.pop(detail.TypeName(), None):
            message.MergeFromString(detail.value)
    return Details(
        refusals=tuple(Refusal(info.reason, dict(info.metadata)) for info in infos if info.domain == DOMAIN),
        violations=tuple(FieldViolation(each.field, each.description) for each in problems.field_violations),
        log_id=request.request_id,
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
    )
