"""All that this server refuses by itself, and errors as HTTP answers.

The HTTP status goes by google.rpc.Code, the body is as AIP-193 has it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final

import grpc
from google.protobuf import any_pb2, json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from protobuf import Registry, wkt

from rest_server.spelling import Spelling
from service_kit.errors import FieldInvalid, InternalError, ServiceError, rich_status

DOMAIN = "library-rest"
"""The domain of the reasons that this server gives itself; those of its targets have their own."""

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

# So that json_format finds the types of details that a target's reflection need not have.
_DETAILS = error_details_pb2.DESCRIPTOR

_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"

DETAILS_METADATA = "grpc-status-details-bin"

MOST_RETRY_SECONDS = 366 * 24 * 3_600
"""A longer delay is a fault of the target, and some clients cannot read it."""


class Refusal(ServiceError):
    """A request that is answered here, and not by its target. Subclasses are all that there are."""

    domain = DOMAIN
    http_status: ClassVar[int | None] = None
    """Where HTTP has a closer word for it than for its status in general."""

    def headers(self) -> dict[str, str]:
        """Headers that the answer has because of it."""
        return {}


class FieldsInvalid(Refusal, FieldInvalid):
    """A field or more is not acceptable. Give `FieldsInvalid((field, what is wrong), …)`."""


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


class Failed(Refusal, InternalError):
    """A fault of this server."""


def refusal_answer(refusal: Refusal, request_id: str) -> tuple[int, bytes]:
    """Give HTTP status and body for a request that is refused here."""
    status = rich_status(refusal, request_id)
    http_status = refusal.http_status or HTTP_STATUS[refusal.status]
    return http_status, _body(http_status, refusal.status, status.message, status.details, Registry(), request_id)


def failure_answer(
    error: grpc.aio.AioRpcError, registry: Registry, request_id: str, spelling: Spelling | None = None
) -> tuple[int, bytes]:
    """Return HTTP status and body for a call that failed; its details as far as the registry has their types.

    Fields are named as `spelling` has them.
    """
    code, message = error.code(), error.details() or ""
    sent = [value for key, value in error.trailing_metadata() if key == DETAILS_METADATA and isinstance(value, bytes)]
    if not sent and code is grpc.StatusCode.UNAVAILABLE:
        return refusal_answer(TargetUnavailable(problem=message), request_id)
    if not sent and code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return refusal_answer(DeadlineExceeded(problem=message), request_id)
    details = [detail for value in sent for detail in _details_in(value)]
    return HTTP_STATUS[code], _body(HTTP_STATUS[code], code, message, details, registry, request_id, spelling)


def retry_headers(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Return the header Retry-After, in whole seconds, for a call that failed with a google.rpc.RetryInfo."""
    for key, value in error.trailing_metadata():
        if key == DETAILS_METADATA and isinstance(value, bytes):
            for detail in _details_in(value):
                seconds = _retry_seconds(detail)
                if seconds is not None:
                    return {"retry-after": f"{seconds}"}
    return {}


def _retry_seconds(detail: any_pb2.Any) -> int | None:
    info = error_details_pb2.RetryInfo()
    try:
        if not detail.Unpack(info) or not info.HasField("retry_delay"):
            return None
    except DecodeError:
        return None
    delay = info.retry_delay
    seconds = delay.seconds + (delay.nanos > 0)
    return seconds if 0 <= seconds <= MOST_RETRY_SECONDS else None


def _details_in(value: bytes) -> Iterable[any_pb2.Any]:
    try:
        return status_pb2.Status.FromString(value).details
    except DecodeError:  # then the code and the message have to do
        return []


def _detail_in_json(detail: any_pb2.Any, registry: Registry) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        told = wkt.Any(type_url=detail.type_url, value=detail.value).to_json(registry=registry)
        return dict(json.loads(told))
    # Not of the target's files: google.rpc's own, perhaps.
    with suppress(ValueError, TypeError, DecodeError, json_format.Error):
        return json_format.MessageToDict(detail)
    # Of a type that nobody described, or not of the type that it says: the bytes are all there is to give.
    return {"@type": detail.type_url, "value": b64encode(detail.value).decode()}


def _in_order(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(sorted(part.items())) if isinstance(part, dict) else part for name, part in detail.items()}


def _spelled(message: str, details: Iterable[dict[str, Any]], spelling: Spelling) -> str:
    """Name the fields at fault as the client wrote them, in the details and in the message, which is returned."""
    violations = [
        violation
        for detail in details
        if detail.get("@type") == _BAD_REQUEST
        for violation in detail.get("fieldViolations", ())
        if violation.get("field")
    ]
    renamed: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for violation in violations:
        field, description = violation["field"], violation.get("description", "")
        problems.append((field, description))
        violation["field"], violation["description"] = spelling.problem(field, description)
        renamed[field] = violation["field"]
    if not renamed:
        return message
    longest_first = sorted(map(re.escape, renamed), key=len, reverse=True)
    paths = re.compile(rf"(?<![\w.])(?:{'|'.join(longest_first)})(?!\w)")

    def spelled(text: str) -> str:
        return spelling.in_text(paths.sub(lambda found: renamed[found[0]], text))

    for detail in details:
        if isinstance(metadata := detail.get("metadata"), dict) and isinstance(metadata.get("fields"), str):
            metadata["fields"] = spelled(metadata["fields"])
    if message == _sentence(problems):
        return _sentence((violation["field"], violation["description"]) for violation in violations)
    return spelled(message)


def _sentence(problems: Iterable[tuple[str, str]]) -> str:
    """What `FieldInvalid` says of all problems together, unless there are too many for one message."""
    return "; ".join(f"{field}: {problem}" for field, problem in problems)


def _body(
    http_status: int,
    code: grpc.StatusCode,
    message: str,
    details: Iterable[any_pb2.Any],
    registry: Registry,
    request_id: str,
    spelling: Spelling | None = None,
) -> bytes:
    # What comes out of a map comes in any order; the same error is to read alike each time.
    in_json = [_in_order(_detail_in_json(detail, registry)) for detail in details]
    if spelling is not None:
        message = _spelled(message, in_json, spelling)
    if not any(detail.get("@type") == _REQUEST_INFO for detail in in_json):
        in_json.append({"@type": _REQUEST_INFO, "requestId": request_id})
    error = {"code": http_status, "message": message, "status": code.name, "details": in_json}
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()
