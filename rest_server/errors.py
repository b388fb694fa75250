"""Errors as HTTP answers: the status by google.rpc.Code, the body as AIP-193 has it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from protobuf import Registry

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

ERROR_INFO, BAD_REQUEST, REQUEST_INFO = (
    f"type.googleapis.com/google.rpc.{name}" for name in ("ErrorInfo", "BadRequest", "RequestInfo")
)

UNANSWERED = {
    grpc.StatusCode.UNAVAILABLE: ("TARGET_UNAVAILABLE", "The service behind this did not answer; try again"),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED", "The service behind this did not answer in time"),
}
"""What gRPC itself says when nobody else does: a reason for programs, and words for people."""

DETAILS_METADATA = "grpc-status-details-bin"


class Refusal(Exception):
    """A request that is answered here, without its target: a status, a reason, and what to do about it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        http_status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **metadata: str,
    ) -> None:
        """`http_status` where HTTP has a closer word than the code's; `metadata` are the values of the message."""
        super().__init__(message)
        self.code = code
        self.http_status = http_status or HTTP_STATUS[code]
        self.headers = dict(headers or {})
        self.reason = reason
        self.metadata = metadata

    def details(self) -> list[dict[str, Any]]:
        """The error's details in JSON, ErrorInfo first."""
        info = {"reason": self.reason, "domain": DOMAIN, "metadata": self.metadata}
        return [{"@type": ERROR_INFO, **info}]


class FieldsInvalid(Refusal):
    """One field or more of the request is not acceptable: pairs of its path and what is wrong."""

    MOST_TOLD = 10

    def __init__(self, *problems: tuple[str, str]) -> None:
        """Keep the first problems."""
        self.problems = [(field[:100], problem[:300]) for field, problem in problems[: self.MOST_TOLD]]
        message = "; ".join(f"{field}: {problem}" for field, problem in self.problems)
        names = ", ".join(dict.fromkeys(field for field, _ in self.problems))
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", message, fields=names)

    def details(self) -> list[dict[str, Any]]:
        """Add a BadRequest that names each field."""
        violations = [{"field": field, "description": problem} for field, problem in self.problems]
        return [
            *super().details(),
            {"@type": BAD_REQUEST, "fieldViolations": violations},
        ]


def body_of_refusal(refusal: Refusal, request_id: str) -> bytes:
    """The body for a request that is refused here."""
    details = [*refusal.details(), {"@type": REQUEST_INFO, "requestId": request_id}]
    return _body(refusal.http_status, refusal.code, str(refusal), details)


def body_of_failed_call(error: grpc.aio.AioRpcError, registry: Registry, request_id: str) -> bytes:
    """The body for a call that its target answered with an error; its details as far as their types are known."""
    code = error.code()
    details: list[Any] = []
    for key, value in error.trailing_metadata():
        if key == DETAILS_METADATA and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            details = [_detail_in_json(detail, registry) for detail in status.details]
    message = error.details() or ""
    told = {detail["@type"] for detail in details}
    if code in UNANSWERED and ERROR_INFO not in told:
        reason, words = UNANSWERED[code]
        message = f"{words} ({message})"
        details.append({"@type": ERROR_INFO, "reason": reason, "domain": DOMAIN, "metadata": {}})
    if REQUEST_INFO not in told:
        details.append({"@type": REQUEST_INFO, "requestId": request_id})
    return _body(HTTP_STATUS[code], code, message, details)


def _detail_in_json(detail: any_pb2.Any, registry: Registry) -> dict[str, Any]:
    message = registry.message(detail.TypeName())
    try:
        if message is not None:
            told = message.type.from_binary(detail.value).to_json(registry=registry)
            return {"@type": detail.type_url, **json.loads(told)}
        # Not of the target's files: google.rpc's own, perhaps.
        return json_format.MessageToDict(detail)
    except (ValueError, TypeError, json_format.Error):
        # Of a type that nobody described: the bytes are all there is to give.
        return {"@type": detail.type_url, "value": b64encode(detail.value).decode()}


def _body(http_status: int, code: grpc.StatusCode, message: str, details: Sequence[Any]) -> bytes:
    error = {"code": http_status, "message": message, "status": code.name, "details": details}
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()
