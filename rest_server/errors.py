"""All refusals of this server: requests that it answers itself, without a target.

docs/errors.md lists their reasons for clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import grpc

DOMAIN = "library-rest"
"""Of the reasons in this file; those of targets have their own."""

HTTP_STATUS: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}
"""As google/rpc/code.proto gives them."""

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"

Detail = dict[str, Any]
"""A message of google/rpc/error_details.proto as JSON."""


class Refusal(Exception):
    """A request that is refused here.

    Each subclass has a `status` of gRPC, a `reason` for programs, and a `message` for people. `{names}` in the message
    are values that it is raised with, which are in the ErrorInfo's metadata, too.
    """

    status: ClassVar[grpc.StatusCode]
    http_status: ClassVar[int | None] = None
    """Where HTTP has a closer status than `HTTP_STATUS` has."""
    reason: ClassVar[str]
    message: ClassVar[str] = ""

    def __init__(self, **values: object) -> None:
        self.metadata: Mapping[str, str] = {name: str(value) for name, value in values.items()}
        super().__init__(self.message.format(**values))

    def details(self) -> list[Detail]:
        """Return the details of the answer, ErrorInfo first."""
        info: Detail = {"@type": ERROR_INFO, "reason": self.reason, "domain": DOMAIN}
        return [info | {"metadata": dict(self.metadata)} if self.metadata else info]

    def headers(self) -> dict[str, str]:
        """Return further headers of the answer."""
        return {}


class FieldsInvalid(Refusal):
    """One field or more is not valid. Raise `FieldsInvalid((field, problem), ...)`."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "FIELD_INVALID"

    MOST_PROBLEMS: ClassVar[int] = 50
    """In one answer."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__()
        self.problems = [(_cut(field, 60), _cut(problem, 150)) for field, problem in problems[: self.MOST_PROBLEMS]]
        self.metadata = {"fields": ", ".join(dict.fromkeys(field for field, _ in self.problems))}
        self.args = (_cut("; ".join(f"{field}: {problem}" for field, problem in self.problems), 800),)

    def details(self) -> list[Detail]:
        """Add a BadRequest with each problem."""
        violations = [{"field": field, "description": problem} for field, problem in self.problems]
        return [*super().details(), {"@type": BAD_REQUEST, "fieldViolations": violations}]


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


class BodyInvalid(Refusal):
    """The body is no JSON."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "BODY_INVALID"
    message = "The body cannot be read: {problem}."


class BodyMissing(Refusal):
    """The request has no body, and its method needs one."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "BODY_MISSING"
    message = "{verb} {path} needs a JSON body, such as {sample}."


class IdempotencyKeyUnusable(Refusal):
    """The request has an Idempotency-Key, and its method has no use for one. To ignore it would break its promise."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "IDEMPOTENCY_KEY_UNUSABLE"
    message = "{method} takes no Idempotency-Key: {problem}. Send the request without this header."


class BodyTooLarge(Refusal):
    """A body, or a line of one, is longer than this server takes."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 413
    reason = "BODY_TOO_LARGE"
    message = "A {part} may have {most_bytes} bytes at most."


class MediaTypeUnsupported(Refusal):
    """The body is said to be something else than JSON."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 415
    reason = "MEDIA_TYPE_UNSUPPORTED"
    message = "A body of type {media_type} is not understood; send JSON, with Content-Type: application/json."


class EncodingUnsupported(Refusal):
    """The body is said to be compressed, or encoded in another way."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 415
    reason = "ENCODING_UNSUPPORTED"
    message = "A body in the Content-Encoding {encoding} is not understood; send it as it is."

    def headers(self) -> dict[str, str]:
        """Tell that it is not the type (RFC 9110, 12.5.3)."""
        return {"accept-encoding": "identity"}


class HeadersTooLarge(Refusal):
    """The headers are longer than this server takes."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 431
    reason = "HEADERS_TOO_LARGE"
    message = "The headers may have {most_bytes} bytes together."


class PathTooLong(Refusal):
    """Path and query are longer than this server takes."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 414
    reason = "PATH_TOO_LONG"
    message = "Path and query may have {most_bytes} bytes together."


class PathUnknown(Refusal):
    """No rule has this path."""

    status = grpc.StatusCode.NOT_FOUND
    reason = "PATH_UNKNOWN"
    message = "There is nothing at this path. /openapi.json and /docs list all paths."


class ColonEncoded(PathUnknown):
    """Before a path's verb, the path has `%3A` where `:` belongs. There, it is a part of an id (AIP-127, RFC 3986)."""

    message = "There is nothing at this path, as %3A is not the same as a colon there. {verb} {meant} was meant."


class SegmentEmpty(PathUnknown):
    """A part of the path is empty, as when a script has no value for a variable: `/v1/books/:borrow`."""

    message = "There is nothing at this path, as a part of it is empty. Is an id missing?"


class MethodNotAllowed(Refusal):
    """The path is there, for other verbs."""

    status = grpc.StatusCode.UNIMPLEMENTED
    http_status = 405
    reason = "METHOD_NOT_ALLOWED"
    message = "This path takes {allowed}."

    def headers(self) -> dict[str, str]:
        """What HTTP wants to be told (RFC 9110, 15.5.6)."""
        return {"allow": self.metadata["allowed"]}


class HostInvalid(Refusal):
    """The request is for no host, for several, or for what cannot be one (RFC 9112, 3.2)."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "HOST_INVALID"
    message = "A request has one Host header, with the host's name or address and perhaps a port."


class HostRefused(Refusal):
    """The request was for a server of another name."""

    status = grpc.StatusCode.PERMISSION_DENIED
    reason = "HOST_REFUSED"
    message = "This server is not known by that name. To let it be, start it with --allowed-host NAME."


class OriginRefused(Refusal):
    """A page of another site would change something."""

    status = grpc.StatusCode.PERMISSION_DENIED
    reason = "ORIGIN_REFUSED"
    message = "Pages of other sites may not change anything here. To let one, start this with --cors-origin ORIGIN."


class TooManyCalls(Refusal):
    """As many calls run as this server takes, or their bodies have all the memory that there is for bodies."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_CALLS"
    message = "As many calls run as this server takes; try again in a moment."

    def headers(self) -> dict[str, str]:
        """When to try again, in seconds."""
        return {"retry-after": "1"}


class TargetUnknown(Refusal):
    """What a target offers is not known yet, so neither is whether it has this path."""

    status = grpc.StatusCode.UNAVAILABLE
    reason = "TARGET_UNKNOWN"
    message = "What {targets} offers is not known yet, as it does not answer; try again in a moment."

    def headers(self) -> dict[str, str]:
        """When to try again, in seconds."""
        return {"retry-after": "1"}


class TargetUnavailable(Refusal):
    """The target did not answer. What was asked may have been done all the same."""

    status = grpc.StatusCode.UNAVAILABLE
    reason = "TARGET_UNAVAILABLE"
    message = "The service behind this did not answer; try again ({problem})."


class DeadlineExceeded(Refusal):
    """The target did not answer in time, or the request did not come to its end. It may have been done all the same."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"
    message = "There was no answer in time ({problem})."


class Stopping(Refusal):
    """This server is stopping, and the call would have gone on for too long. It may have been done all the same."""

    status = grpc.StatusCode.UNAVAILABLE
    reason = "STOPPING"
    message = "This server is stopping; try again in a moment."


class AnswerUnreadable(Refusal):
    """The target's answer holds an Any of a type that it does not describe."""

    status = grpc.StatusCode.INTERNAL
    reason = "ANSWER_UNREADABLE"
    message = "The answer of {method} cannot be written as JSON: {problem}."


class Failed(Refusal):
    """A fault of this server. Its log has the traceback under the id of the request."""

    status = grpc.StatusCode.INTERNAL
    reason = "INTERNAL"
    message = "Something went wrong on the server; report the request id to the operator of the server."
