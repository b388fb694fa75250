"""Errors of targets as HTTP answers: every code, and details of any type, garbled ones among them."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from protobuf import Registry

from rest_server.error_answers import failure_answer, failure_headers, retry_headers
from rest_server.errors import HTTP_STATUS
from tests.support.described import contract

TYPES = "type.googleapis.com/"
REQUEST = {"@type": f"{TYPES}google.rpc.RequestInfo", "requestId": "some-request"}

OWN = contract(
    """
    syntax = "proto3";
    package p;
    import "messages.proto";
    service S { rpc M(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything); }
    """,
    "S",
).registry
"""What a target described."""


def answer(
    code: grpc.StatusCode, *details: Packed, message: str | None = "a problem", raw: bytes | None = None,
    registry: Registry = OWN,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """The answer to a call that failed so: HTTP's status, and the error in the body."""
    http_status, body = failure_answer(failed(code, *details, message=message, raw=raw), registry, "some-request")
    error: dict[str, Any] = json.loads(body)["error"]
    assert error["code"] == http_status
    assert error["status"] == code.name
    return http_status, error


def failed(
    code: grpc.StatusCode, *details: Packed, message: str | None = "a problem", raw: bytes | None = None
) -> grpc.aio.AioRpcError:
    """A call that failed so."""
    trailing = grpc.aio.Metadata(("some-key", "some value"))
    if details or raw is not None:
        status = Status(code=code.value[0], message="a problem", details=details).SerializeToString()
        trailing.add("grpc-status-details-bin", status if raw is None else raw)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, message)


def packed(message: Message) -> Packed:
    wrapped = Packed()
    wrapped.Pack(message)
    return wrapped


def in_json(detail: Packed, registry: Registry = OWN) -> Any:
    """A detail as the answer has it, before that which names the request."""
    _, error = answer(grpc.StatusCode.ABORTED, detail, registry=registry)
    returned, request = error["details"]
    assert request == REQUEST
    return returned


# As the comments in google/rpc/code.proto have them.
STATUSES = {
    "OK": 200, "CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401, "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400, "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500,
    "UNAVAILABLE": 503, "DATA_LOSS": 500,
}  # fmt: skip


def test_every_code_has_a_status_of_http() -> None:
    assert {code.name: status for code, status in HTTP_STATUS.items()} == STATUSES
    assert set(STATUSES) == set(Code.keys())


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_an_error_without_details_names_the_request(code: grpc.StatusCode) -> None:
    http_status, error = answer(code)
    assert http_status == STATUSES[code.name]
    assert "a problem" in error["message"]
    assert error["details"][-1] == REQUEST


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_an_error_of_a_target_is_passed_on_unchanged(code: grpc.StatusCode) -> None:
    _, error = answer(code, packed(ErrorInfo(reason="A", domain="b.example", metadata={"c": "d"})))
    detail = {"@type": f"{TYPES}google.rpc.ErrorInfo", "reason": "A", "domain": "b.example", "metadata": {"c": "d"}}
    assert (error["message"], error["details"]) == ("a problem", [detail, REQUEST])


def test_the_target_names_the_request_itself_if_it_does() -> None:
    _, error = answer(grpc.StatusCode.ABORTED, packed(RequestInfo(request_id="theirs")))
    assert error["details"] == [{"@type": REQUEST["@type"], "requestId": "theirs"}]


def test_an_error_may_be_empty() -> None:
    assert answer(grpc.StatusCode.UNKNOWN, message=None)[1]["message"] == ""


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (
            packed(BadRequest(field_violations=[BadRequest.FieldViolation(field="a", description="b")])),
            {"@type": f"{TYPES}google.rpc.BadRequest", "fieldViolations": [{"field": "a", "description": "b"}]},
        ),
        (
            packed(RetryInfo(retry_delay=Duration(seconds=2))),
            {"@type": f"{TYPES}google.rpc.RetryInfo", "retryDelay": "2s"},
        ),
        # Of types whose JSON is not an object, or one of its own.
        (packed(Duration(seconds=2)), {"@type": f"{TYPES}google.protobuf.Duration", "value": "2s"}),
        (packed(Struct()), {"@type": f"{TYPES}google.protobuf.Struct", "value": {}}),
        (packed(packed(Duration(seconds=2))), {
            "@type": f"{TYPES}google.protobuf.Any",
            "value": {"@type": f"{TYPES}google.protobuf.Duration", "value": "2s"},
        }),
        # Of the target's own.
        (
            Packed(type_url=f"{TYPES}transcoding.test.v1.Message", value=b"\x12\x01a"),
            {"@type": f"{TYPES}transcoding.test.v1.Message", "text": "a"},
        ),
        (
            Packed(type_url="types.example/transcoding.test.v1.Message", value=b"\x12\x01a"),
            {"@type": "types.example/transcoding.test.v1.Message", "text": "a"},
        ),
        # Of nobody's.
        (Packed(type_url=f"{TYPES}nobody.Knows", value=b"a"), {"@type": f"{TYPES}nobody.Knows", "value": "YQ=="}),
        (Packed(type_url="nobody.Knows", value=b"a"), {"@type": "nobody.Knows", "value": "YQ=="}),
        (Packed(type_url="", value=b"a"), {}),
        (Packed(), {}),
        # Not of the type that they name.
        (
            Packed(type_url=f"{TYPES}google.rpc.ErrorInfo", value=b"\xff"),
            {"@type": f"{TYPES}google.rpc.ErrorInfo", "value": "/w=="},
        ),
        (
            Packed(type_url=f"{TYPES}transcoding.test.v1.Message", value=b"\xff"),
            {"@type": f"{TYPES}transcoding.test.v1.Message", "value": "/w=="},
        ),
        (
            Packed(type_url=f"{TYPES}google.protobuf.Duration", value=Duration(seconds=10**15).SerializeToString()),
            {"@type": f"{TYPES}google.protobuf.Duration", "value": "CICAmqbqr+MB"},
        ),
    ],
)  # fmt: skip
def test_a_detail_of_any_type_is_returned(detail: Packed, expected: Any) -> None:
    assert in_json(detail) == expected


def test_details_of_google_rpc_need_not_be_described_by_the_target() -> None:
    assert in_json(packed(ErrorInfo(reason="A")), Registry())["reason"] == "A"
    assert in_json(packed(Empty()), Registry())["@type"] == f"{TYPES}google.protobuf.Empty"


def test_a_detail_that_is_nested_too_deep_is_returned_as_bytes() -> None:
    deep = packed(Duration(seconds=1))
    for _ in range(200):
        deep = packed(deep)
    assert in_json(deep)["@type"] == f"{TYPES}google.protobuf.Any"


@given(st.binary())
def test_invalid_details_hide_no_error(raw: bytes) -> None:
    http_status, error = answer(grpc.StatusCode.NOT_FOUND, raw=raw)
    assert (http_status, error["message"]) == (404, "a problem")


NAMES = st.sampled_from(["google.rpc.ErrorInfo", "google.protobuf.Value", "p.M", "", "/"])


@given(st.lists(st.tuples(NAMES, st.binary())))
def test_details_that_are_garbled_hide_no_error(details: list[tuple[str, bytes]]) -> None:
    wrapped = [Packed(type_url=TYPES + name, value=value) for name, value in details]
    http_status, error = answer(grpc.StatusCode.NOT_FOUND, *wrapped)
    assert (http_status, error["message"]) == (404, "a problem")
    assert error["details"][-1] == REQUEST


@pytest.mark.parametrize(
    ("delay", "header"),
    [
        (Duration(seconds=1), "1"),
        (Duration(nanos=1), "1"),
        (Duration(seconds=2, nanos=500_000_000), "3"),
        (Duration(), "0"),
        (Duration(seconds=3_600), "3600"),
        (Duration(seconds=-1), None),
        (Duration(seconds=2**62), None),
        (Duration(seconds=2**63 - 1, nanos=2**31 - 1), None),
        (None, None),
    ],
)
@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_a_delay_is_in_the_headers(code: grpc.StatusCode, delay: Duration | None, header: str | None) -> None:
    details = [packed(BadRequest()), packed(RetryInfo(retry_delay=delay))]
    assert retry_headers(failed(code, *details)) == ({} if header is None else {"retry-after": header})


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_401_names_how_to_authenticate(code: grpc.StatusCode) -> None:
    expected = {"www-authenticate": "Bearer"} if HTTP_STATUS[code] == 401 else {}
    assert failure_headers(failed(code)) == expected


def test_what_is_not_a_delay_is_not_in_the_headers() -> None:
    garbage = Packed(type_url=f"{TYPES}google.rpc.RetryInfo", value=b"\xff")
    code = grpc.StatusCode.UNAVAILABLE
    assert retry_headers(failed(code)) == {}
    assert retry_headers(failed(code, garbage)) == {}
    assert retry_headers(failed(code, raw=b"\xff")) == {}
    assert retry_headers(failed(code, garbage, packed(RetryInfo(retry_delay=Duration(seconds=5))))) == {
        "retry-after": "5"
    }
