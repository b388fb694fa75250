"""Errors for clients, and the google.rpc details that are sent with their status (AIP-193).

A feature raises a `ServiceError`, which no servicer catches: the steps around the method send it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2


class ServiceError(Exception):
    """A refusal with a reason.

    Subclasses have the `status`, the `reason` (a name that programs compare) and the `message` (for people). The values
    replace their `{names}` in the message, and the client gets them as ErrorInfo.metadata, too.
    """

    domain: ClassVar[str] = "lending-library"
    """The namespace of the reasons (AIP-193). It is the same for all services of the library."""
    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: ClassVar[str] = "INTERNAL"
    message: ClassVar[str] = "The server failed."

    def __init__(self, **values: object) -> None:
        """Format the message with the values."""
        self.metadata: Mapping[str, str] = {name: str(value) for name, value in values.items()}
        self.further: Sequence[ServiceError] = ()
        """The other reasons for which the call is refused: see `combined`."""
        super().__init__(self.message.format(**values))

    def details(self) -> Sequence[any_pb2.Any]:
        """Return the google.rpc details, ErrorInfo first."""
        return [self.error_info()]

    def error_info(self) -> any_pb2.Any:
        """Return the reason and the values of the message, for programs."""
        return packed(error_details_pb2.ErrorInfo(domain=self.domain, reason=self.reason, metadata=self.metadata))


class FieldInvalid(ServiceError):
    """One field or more is invalid. Pass `FieldInvalid((field, problem), …)`."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "FIELD_INVALID"

    MOST_PROBLEMS: ClassVar[int] = 50
    """More would not fit into `MOST_BYTES` in most cases."""

    MOST_BYTES: ClassVar[int] = 2_100
    """The most bytes of all problems. gRPC begins to drop errors whose trailing metadata is over 8 kB, and each problem
    is in it up to three times, one of them in base64."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        """Take pairs of a field's path and what is wrong with it."""
        super().__init__()
        self.problems = [(_cut(field, 60), _cut(problem, 150)) for field, problem in problems]
        """All of them, also those that do not fit into the details."""
        self._reported = self.fitting(self.MOST_PROBLEMS)
        self.metadata = {"fields": ", ".join(dict.fromkeys(field for field, _ in self._reported))}
        self.args = (_cut("; ".join(f"{field}: {problem}" for field, problem in self._reported), 800),)

    def fitting(self, most_problems: int) -> list[tuple[str, str]]:
        """Return the problems that fit into `most_problems` and `MOST_BYTES`, in their order.

        The first problem of each field is preferred to its others, so that one long list leaves room for other fields.
        """
        fields: dict[str, list[int]] = {}
        for place, (field, _) in enumerate(self.problems):
            fields.setdefault(field.partition("[")[0], []).append(place)
        firsts = [places[0] for places in fields.values()]
        others = [place for places in fields.values() for place in places[1:]]
        fitting: list[int] = []
        room = self.MOST_BYTES
        for place in (firsts + others)[:most_problems]:
            room -= len("".join(self.problems[place]).encode())
            if room < 0 and fitting:
                break
            fitting.append(place)
        return [self.problems[place] for place in sorted(fitting)]

    def details(self) -> Sequence[any_pb2.Any]:
        """Add a BadRequest with each field."""
        bad_request = error_details_pb2.BadRequest()
        for field, problem in self._reported:
            bad_request.field_violations.add(field=field, description=problem)
        return [*super().details(), packed(bad_request)]


class MessageUnreadable(ServiceError):
    """The request is not a message of the type that the method takes."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "MESSAGE_UNREADABLE"
    message = "The bytes that were sent to {method} cannot be read as its request."


class NotFound(ServiceError):
    """The resource does not exist. Subclasses have its `resource_type`; its id is the first value."""

    status = grpc.StatusCode.NOT_FOUND
    resource_type: ClassVar[str] = ""

    def details(self) -> Sequence[any_pb2.Any]:
        """Add a ResourceInfo with the type and the id of the resource."""
        name = next(iter(self.metadata.values()))
        missing = error_details_pb2.ResourceInfo(
            resource_type=self.resource_type, resource_name=name, description=str(self)
        )
        return [*super().details(), packed(missing)]


class AlreadyExists(ServiceError):
    """The request would make a resource that exists."""

    status = grpc.StatusCode.ALREADY_EXISTS


class RequestIdReused(AlreadyExists):
    """The request id was used before, for another method or with other arguments."""

    reason = "REQUEST_ID_REUSED"
    message = (
        "The request id {request_id} was used before, for another method or with other arguments; "
        "use a new id for each new request."
    )


class FailedPrecondition(ServiceError):
    """The state of the library does not allow the call. A retry does not help until that state changes."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class RowUnreadable(FailedPrecondition):
    """The row of a resource that the request names is damaged in the store."""

    reason = "ROW_UNREADABLE"
    message = "The {kind} {id} is damaged in the store and cannot be shown; the log of the server has the problem."


class Aborted(ServiceError):
    """Another call has changed the resource first. Read it again, and decide again."""

    status = grpc.StatusCode.ABORTED


class OutOfRange(ServiceError):
    """The position in the request is not in this sequence."""

    status = grpc.StatusCode.OUT_OF_RANGE


class ResourceExhausted(ServiceError):
    """The request, or all requests together, exceed a limit."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED


def retry_after(seconds: int) -> any_pb2.Any:
    """Return a google.rpc.RetryInfo, as a detail of an error. Over HTTP it is the header Retry-After, too."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(seconds)
    return packed(retry)


class ServerBusy(ResourceExhausted):
    """A limit on what the server has open at a time is reached."""

    reason = "SERVER_BUSY"
    message = "The server is busy ({limit}); try again in a second, with the same request id if the call has one."

    RETRY_SECONDS: ClassVar[int] = 1

    def details(self) -> Sequence[any_pb2.Any]:
        """Add a RetryInfo, by which clients wait before they retry."""
        return [*super().details(), retry_after(self.RETRY_SECONDS)]


class CallIdle(ServiceError):
    """The client kept a call open, and neither sent nor read for too long."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "CALL_IDLE"
    message = "The client did not {action} within {seconds} seconds, so the call was ended."


class Unauthenticated(ServiceError):
    """The caller has not proved who it is."""

    status = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(ServiceError):
    """The caller is known, and may not do this."""

    status = grpc.StatusCode.PERMISSION_DENIED


class Unavailable(ServiceError):
    """The server cannot answer at present. A retry can succeed."""

    status = grpc.StatusCode.UNAVAILABLE


class NotServing(Unavailable):
    """The server is starting or stopping."""

    reason = "NOT_SERVING"
    message = "This server is starting or stopping; try again in a moment."


class StoreUnavailable(Unavailable):
    """The store did not answer in time, or is full."""

    reason = "STORE_UNAVAILABLE"
    message = "The store did not answer in time; try again, with the same request id if the call has one."


class StoreNotWritable(StoreUnavailable):
    """The store can be read but not written, as with a full disk."""

    message = (
        "The store cannot be changed at present; calls that only read are answered. "
        "Try again later, with the same request id if the call has one."
    )


class InternalError(ServiceError):
    """A fault in the server. The client gets the request id only, under which the log has the traceback."""

    message = "Something went wrong on the server; report the request id to the operator of the server."


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def packed(detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.ResourceInfo
           | error_details_pb2.RequestInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:  # fmt: skip
    wrapped = any_pb2.Any()
    # Deterministic: the order of the metadata, and so the bytes of the same error, would differ between processes.
    wrapped.Pack(detail, deterministic=True)
    return wrapped


def combined(refusals: Sequence[ServiceError]) -> ServiceError:
    """Return the first of a call's refusals as the error to raise; its details then list the other reasons, too.

    Its class, status, reason and message stay its own, so the caller puts the refusals in the order in which one of
    them is to be the reason of the call.
    """
    first, *others = refusals
    first.further = others
    return first


MOST_DETAILS_BYTES = 3_000
"""Reasons in addition to the first are left out where the details would be larger. gRPC begins to drop errors whose
trailing metadata is over 8 kB; it contains the details in base64, and the message twice."""


def rich_status(error: ServiceError, request_id: str) -> status_pb2.Status:
    """Return the google.rpc.Status of an error: its details, an ErrorInfo for each further reason, the request id."""
    code: int = error.status.value[0]
    details = list(error.details())
    size = sum(detail.ByteSize() for detail in details)
    for refusal in error.further:
        info = refusal.error_info()
        size += info.ByteSize()
        if size > MOST_DETAILS_BYTES:
            break
        details.append(info)
    details.append(packed(error_details_pb2.RequestInfo(request_id=request_id)))
    return status_pb2.Status(code=code, message=str(error), details=details)
