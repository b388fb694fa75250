"""Errors as HTTP responses, whoever refused."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from rest_server.errors import Refusal, refusal_answer
from rest_server.headers import JSON, NOT_SNIFFED, REQUEST_ID


def error_response(status: int, body: bytes, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with an error's HTTP status and body."""
    return Response(body, status, {REQUEST_ID: request_id, **NOT_SNIFFED, **(headers or {})}, JSON)


def refusal_response(refusal: Refusal, request_id: str) -> Response:
    """Answer a request that is refused here."""
    return error_response(*refusal_answer(refusal, request_id), request_id, refusal.headers())
