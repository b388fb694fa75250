"""Errors as HTTP answers in the form of AIP-193: refusals of this server, and failed calls of targets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from protobuf import Registry
from starlette.responses import Response

from rest_server.any_values import any_in_json
from rest_server.errors import (
    BAD_REQUEST,
    HTTP_STATUS,
    DeadlineExceeded,
    Detail,
    Refusal,
    TargetUnavailable,
)
from rest_server.headers import JSON, NOT_SNIFFED, REQUEST_ID
from rest_server.spelling import Spelling

_REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"

DETAILS_METADATA = "grpc-status-details-bin"

CHALLENGE = "Bearer"
"""Each 401 has to name how clients authenticate (RFC 9110, 15.5.2). No browser asks for a password because of this."""

MOST_RETRY_SECONDS = 366 * 24 * 3_600
"""A longer delay is a fault of the target, and some clients cannot read it."""


def error_response(status: int, body: bytes, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response with the HTTP status and the body of an error."""
    return Response(body, status, {REQUEST_ID: request_id, **NOT_SNIFFED, **(headers or {})}, JSON)


def refusal_response(refusal: Refusal, request_id: str) -> Response:
    return error_response(*refusal_answer(refusal, request_id), request_id, refusal.headers())


def refusal_answer(refusal: Refusal, request_id: str) -> tuple[int, bytes]:
    """Return HTTP status and body of a refusal."""
    http_status = refusal.http_status or HTTP_STATUS[refusal.status]
    return http_status, _body(http_status, refusal.status, str(refusal), refusal.details(), request_id)


def failure_answer(
    error: grpc.aio.AioRpcError, registry: Registry, request_id: str, spelling: Spelling | None = None
) -> tuple[int, bytes]:
    """Return HTTP status and body of a failed call. Details of types that the registry has are JSON.

    Fields have the names of `spelling`.
    """
    code, message = error.code(), error.details() or ""
    sent = [value for key, value in error.trailing_metadata() if key == DETAILS_METADATA and isinstance(value, bytes)]
    if not sent and code is grpc.StatusCode.UNAVAILABLE:
        return refusal_answer(TargetUnavailable(problem=message), request_id)
    if not sent and code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return refusal_answer(DeadlineExceeded(problem=message), request_id)
    details = [any_in_json(detail.type_url, detail.value, registry) for value in sent for detail in _details_in(value)]
    if spelling is not None:
        message = _spelled(message, details, spelling)
    return HTTP_STATUS[code], _body(HTTP_STATUS[code], code, message, details, request_id)


def failure_headers(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Return the headers that HTTP has for a failed call: WWW-Authenticate for a 401, and Retry-After."""
    challenge = {"www-authenticate": CHALLENGE} if error.code() is grpc.StatusCode.UNAUTHENTICATED else {}
    return {**challenge, **retry_headers(error)}


def retry_headers(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Return the header Retry-After in whole seconds, if a failed call has a google.rpc.RetryInfo."""
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
    except DecodeError:  # the answer then has the code and the message only
        return []


def _spelled(message: str, details: Iterable[dict[str, Any]], spelling: Spelling) -> str:
    """Rename the invalid fields as the client wrote them, in the details and in the message; return the message."""
    violations = [
        violation
        for detail in details
        if detail.get("@type") == BAD_REQUEST
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
    """Return all problems in one message, as the library's servers do unless there are too many."""
    return "; ".join(f"{field}: {problem}" for field, problem in problems)


def _body(http_status: int, code: grpc.StatusCode, message: str, details: Iterable[Detail], request_id: str) -> bytes:
    details = list(details)
    if not any(detail.get("@type") == _REQUEST_INFO for detail in details):
        details.append({"@type": _REQUEST_INFO, "requestId": request_id})
    error = {"code": http_status, "message": message, "status": code.name, "details": details}
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()
