"""Samples of errors, for each code and reason that the comment on a method names."""

from __future__ import annotations

import json
import re
from typing import Any

import grpc
from protobuf import DescMethod

from rest_server.error_answers import refusal_answer
from rest_server.errors import HTTP_STATUS, FieldsInvalid, Refusal, TargetUnavailable
from rest_server.openapi.field_rules import Schema

REQUEST_ID = "0123456789abcdef0123456789abcdef"
"""In samples; in answers it is the value of the header X-Request-Id."""

_CODES = {code.name: code for code in HTTP_STATUS}
_CODE = re.compile(rf"(?<![`\w])(?:{'|'.join(_CODES)})(?![`\w])")
_REASON = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`")


def error_samples(text: str, method: DescMethod) -> dict[str, Schema]:
    """Return samples for a comment's text about errors of one status, by their reasons or codes."""
    samples: dict[str, Schema] = {}
    codes = list(_CODE.finditer(text))
    for code, after in zip(codes, [*codes[1:], None], strict=True):
        reasons = _REASON.findall(text[code.end() : after.start() if after else None])
        for reason in reasons:
            samples[reason] = {"value": _sample(_CODES[code[0]], reason)}
        if not reasons and _CODES[code[0]] is grpc.StatusCode.INVALID_ARGUMENT:
            samples[FieldsInvalid.reason] = {"value": refusal_sample(FieldsInvalid(_problem_of(method)))}
        elif not reasons:
            samples[code[0]] = {"value": code_sample(_CODES[code[0]])}
    return samples


def refusal_sample(refusal: Refusal) -> Any:
    """Return the answer of a refusal."""
    return json.loads(refusal_answer(refusal, REQUEST_ID)[1])


def unavailable_sample() -> Any:
    """Return the answer while a target is not available."""
    return refusal_sample(TargetUnavailable(problem="failed to connect to all addresses"))


def code_sample(code: grpc.StatusCode) -> Any:
    """Return the answer of a target's error without a reason of its own."""
    return _sample(code, code.name)


def _problem_of(method: DescMethod) -> tuple[str, str]:
    field = next(iter(method.input.fields), None)
    return (field.json_name if field else "body", "is not acceptable")


def _sample(code: grpc.StatusCode, reason: str) -> Any:
    details = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason},
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": REQUEST_ID},
    ]
    message = f"{reason.replace('_', ' ').capitalize()}."
    return {"error": {"code": HTTP_STATUS[code], "message": message, "status": code.name, "details": details}}
