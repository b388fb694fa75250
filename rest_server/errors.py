"""All refusals of this server: requests that it answers itself, without a target.

docs/errors.md lists their reasons for clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
"""As in google/rpc/code.proto."""

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
        kept = _firsts_and_others(problems, self.MOST_PROBLEMS)
        self.problems = [(_cut(field, 60), _cut_between_words(problem, 300)) for field, problem in kept]
        self.metadata = {"fields": ", ".join(dict.fromkeys(field for field, _ in self.problems))}
        self.args = (_cut_between_words("; ".join(f"{field}: {problem}" for field, problem in self.problems), 800),)

    def details(self) -> list[Detail]:
        """Add a BadRequest with each problem."""
        violations = [{"field": field, "description": problem} for field, problem in self.problems]
        return [*super().details(), {"@type": BAD_REQUEST, "fieldViolations": violations}]


def _firsts_and_others(problems: Sequence[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """Return at most `most` problems in their order.

    The first problem of each field is preferred to its others, so that one long list leaves room for other fields.
    """
    firsts: dict[str, int] = {}
    for place, (field, _) in enumerate(problems):
        firsts.setdefault(field.partition("[")[0], place)
    others = sorted(set(range(len(problems))).difference(firsts.values()))
    return [problems[place] for place in sorted([*firsts.values(), *others][:most])]


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def _cut_between_words(text: str, most_bytes: int) -> str:
    """Cut a text after a word, with a sign that there was more; in a word if that is longer than all of it."""
    kept = _cut(text, most_bytes)
    if kept == text:
        return text
    whole, _, _ = _cut(text, most_bytes - len(" …".encode())).rpartition(" ")
    return f"{whole or _cut(text, most_bytes - len(' …'.encode()))} …"


class BodyInvalid(Refusal):
    """The body is not JSON, or JSON that readers understand in different ways."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "BODY_INVALID"
    message = "The body cannot be read: {problem}."


class BodyMissing(Refusal):
    """The request has no body, and its method needs one."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "BODY_MISSING"
    message = "{verb} {path} needs a JSON body, such as {sample}."


class IdempotencyKeyUnusable(Refusal):
    """The method cannot use the Idempotency-Key of the request. If it were ignored, the request could be done twice."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "IDEMPOTENCY_KEY_UNUSABLE"
    message = "{method} takes no Idempotency-Key: {problem}. Send the request without this header."


class BodyTooLarge(Refusal):
    """A body, or a line of one, is over its limit."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 413
    reason = "BODY_TOO_LARGE"
    message = "A {part} can have at most {most_bytes} bytes."


class MediaTypeUnsupported(Refusal):
    """The Content-Type is not JSON."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 415
    reason = "MEDIA_TYPE_UNSUPPORTED"
    message = "A body of type {media_type} is not supported; send JSON, with Content-Type: application/json."


class EncodingUnsupported(Refusal):
    """The body has a Content-Encoding, such as gzip."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 415
    reason = "ENCODING_UNSUPPORTED"
    message = "The Content-Encoding {encoding} is not supported; send the body without one."

    def headers(self) -> dict[str, str]:
        """Show that the encoding was refused, and not the type (RFC 9110, 12.5.3)."""
        return {"accept-encoding": "identity"}


class HeadersTooLarge(Refusal):
    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 431
    reason = "HEADERS_TOO_LARGE"
    message = "All headers together can have at most {most_bytes} bytes."


class PathTooLong(Refusal):
    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 414
    reason = "PATH_TOO_LONG"
    message = "Path and query together can have at most {most_bytes} bytes."


class PathUnknown(Refusal):
    """No rule has this path."""

    status = grpc.StatusCode.NOT_FOUND
    reason = "PATH_UNKNOWN"
    message = "No method has this path. /openapi.json and /docs list all paths."


class ColonEncoded(PathUnknown):
    """The path has `%3A` before its verb, which makes it a part of an id (AIP-127, RFC 3986)."""

    message = "No method has this path, as %3A is not the colon before a verb. Probably {verb} {meant} was meant."


class SegmentEmpty(PathUnknown):
    """A part of the path is empty, as when a script has no value for a variable: `/v1/books/:borrow`."""

    message = "No method has this path, as a part of it is empty. Is an id missing?"


class MethodNotAllowed(Refusal):
    """The path has other verbs."""

    status = grpc.StatusCode.UNIMPLEMENTED
    http_status = 405
    reason = "METHOD_NOT_ALLOWED"
    message = "This path accepts {allowed}."

    def headers(self) -> dict[str, str]:
        """Add Allow, which HTTP requires (RFC 9110, 15.5.6)."""
        return {"allow": self.metadata["allowed"]}


class HostInvalid(Refusal):
    """The request has no valid Host header, or several (RFC 9112, 3.2)."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "HOST_INVALID"
    message = "A request needs exactly one Host header: a host name or an address, optionally with a port."


class HostRefused(Refusal):
    """The Host of the request is not one of this server's names."""

    status = grpc.StatusCode.PERMISSION_DENIED
    reason = "HOST_REFUSED"
    message = (
        "The Host of this request is not a name of this server. To allow it, start the server with --allowed-host NAME."
    )


class OriginRefused(Refusal):
    """A page of another site sent a request that changes something."""

    status = grpc.StatusCode.PERMISSION_DENIED
    reason = "ORIGIN_REFUSED"
    message = (
        "Pages of other sites cannot change anything here. To allow a site, start the server with --cors-origin ORIGIN."
    )


class PlainTextRefused(Refusal):
    """A request with a token or a password came from another machine in plain text."""

    status = grpc.StatusCode.PERMISSION_DENIED
    reason = "PLAIN_TEXT_REFUSED"
    message = (
        "Tokens and passwords are not accepted from other machines in plain text, as anyone on the way can read them: "
        "this one is not secret any more. Use https, for which the server needs --tls-cert and --tls-key, or "
        "--allow-plain-text if something else protects the connections."
    )


class TooManyCalls(Refusal):
    """The limit of running calls is reached, or that of memory for bodies."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_CALLS"
    message = "The server has reached its limit of running calls; try again in a moment."

    def headers(self) -> dict[str, str]:
        return {"retry-after": "1"}


class TargetUnknown(Refusal):
    """The contract of a target is not known yet, so it may have this path."""

    status = grpc.StatusCode.UNAVAILABLE
    reason = "TARGET_UNKNOWN"
    message = "The contract of {targets} is not known yet, as it does not answer; try again in a moment."

    def headers(self) -> dict[str, str]:
        return {"retry-after": "1"}


class TargetUnavailable(Refusal):
    """The target did not answer. It may have done the call."""

    status = grpc.StatusCode.UNAVAILABLE
    reason = "TARGET_UNAVAILABLE"
    message = "The service behind this server did not answer; try again ({problem})."


class DeadlineExceeded(Refusal):
    """The target did not answer in time, or the request did not end in time. The target may have done the call."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"
    message = "There was no answer in time ({problem})."


class Stopping(Refusal):
    """This server stops, and the call did not end within --grace. The target may have done it."""

    status = grpc.StatusCode.UNAVAILABLE
    reason = "STOPPING"
    message = "This server is stopping; try again in a moment."


class AnswerUnreadable(Refusal):
    """The target's reply is not of its contract, or has a value without a form in JSON, such as the year 10000."""

    status = grpc.StatusCode.INTERNAL
    reason = "ANSWER_UNREADABLE"
    message = "The answer of {method} cannot be written as JSON: {problem}."


class Failed(Refusal):
    """A fault of this server. Its log has the traceback under the id of the request."""

    status = grpc.StatusCode.INTERNAL
    reason = "INTERNAL"
    message = "Something went wrong on the server; report the request id to the operator of the server."
