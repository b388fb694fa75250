"""Errors, entity tags, compression and streams, as they come from a target."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tests.support.rest import RestProcess, RestServers, refusal_in, serves
from tests.support.transcoding.behaviours import ECHO, Behaviours
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.process import ServerInAProcess
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually

CODES = [
    pytest.param(grpc.StatusCode.CANCELLED, 499, id="CANCELLED"),
    pytest.param(grpc.StatusCode.UNKNOWN, 500, id="UNKNOWN"),
    pytest.param(grpc.StatusCode.INVALID_ARGUMENT, 400, id="INVALID_ARGUMENT"),
    pytest.param(grpc.StatusCode.DEADLINE_EXCEEDED, 504, id="DEADLINE_EXCEEDED"),
    pytest.param(grpc.StatusCode.NOT_FOUND, 404, id="NOT_FOUND"),
    pytest.param(grpc.StatusCode.ALREADY_EXISTS, 409, id="ALREADY_EXISTS"),
    pytest.param(grpc.StatusCode.PERMISSION_DENIED, 403, id="PERMISSION_DENIED"),
    pytest.param(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, id="RESOURCE_EXHAUSTED"),
    pytest.param(grpc.StatusCode.FAILED_PRECONDITION, 400, id="FAILED_PRECONDITION"),
    pytest.param(grpc.StatusCode.ABORTED, 409, id="ABORTED"),
    pytest.param(grpc.StatusCode.OUT_OF_RANGE, 400, id="OUT_OF_RANGE"),
    pytest.param(grpc.StatusCode.UNIMPLEMENTED, 501, id="UNIMPLEMENTED"),
    pytest.param(grpc.StatusCode.INTERNAL, 500, id="INTERNAL"),
    pytest.param(grpc.StatusCode.UNAVAILABLE, 503, id="UNAVAILABLE"),
    pytest.param(grpc.StatusCode.DATA_LOSS, 500, id="DATA_LOSS"),
    pytest.param(grpc.StatusCode.UNAUTHENTICATED, 401, id="UNAUTHENTICATED"),
]


@pytest.mark.parametrize(("code", "status"), CODES)
def test_each_code_has_its_http_status(rest: RestProcess, code: grpc.StatusCode, status: int) -> None:
    answer = rest.request("POST", "/v1/fail", {"code": code.value[0], "message": "No “shelf” is free.\nAsk later."})
    refusal = answer.refusal
    assert (answer.status, refusal.code) == (status, code)
    assert refusal.request_id == answer.headers["X-Request-Id"]
    if code is grpc.StatusCode.UNAVAILABLE:
        # gRPC itself uses this code as often as the server. Only the message distinguishes the two.
        assert (refusal.reason, refusal.domain) == ("TARGET_UNAVAILABLE", "library-rest")
        assert "No “shelf” is free.\nAsk later." in refusal.message
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        assert (refusal.reason, refusal.domain) == ("DEADLINE_EXCEEDED", "library-rest")
        assert "No “shelf” is free.\nAsk later." in refusal.message
    else:
        assert (refusal.reason, refusal.message) == ("", "No “shelf” is free.\nAsk later.")


def test_the_table_has_all_codes() -> None:
    assert {row.values[0] for row in CODES} == set(grpc.StatusCode) - {grpc.StatusCode.OK}


def test_details_of_all_types_are_passed_on(rest: RestProcess) -> None:
    asked = {"code": grpc.StatusCode.FAILED_PRECONDITION.value[0], "message": "too long"}
    answer = rest.request("POST", "/v1/fail:detailed", asked, {"X-Request-Id": "a-1"})
    assert answer.json() == {
        "error": {
            "code": 400,
            "status": "FAILED_PRECONDITION",
            "message": "too long",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "TOO_MUCH",
                    "domain": "transcoding.test",
                    "metadata": {"most": "3"},
                },
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "text", "description": "is too long"}],
                },
                {"@type": "type.googleapis.com/transcoding.test.v1.Message", "text": "a"},
                # No target described this type, so its bytes are shown.
                {"@type": "type.googleapis.com/transcoding.test.v1.Unheard", "value": "CgFh"},
                {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "a-1"},
            ],
        }
    }


def test_details_that_nobody_can_read_do_not_hide_the_error(rest: RestProcess) -> None:
    asked = {"code": grpc.StatusCode.NOT_FOUND.value[0], "message": "no such shelf"}
    answer = rest.request("POST", "/v1/fail:garbled", asked)
    assert (answer.status, answer.refusal.code) == (404, grpc.StatusCode.NOT_FOUND)
    assert answer.refusal.message == "no such shelf"


def test_ok_without_a_message_is_an_internal_error(rest: RestProcess) -> None:
    answer = rest.request("POST", "/v1/nothing", {})
    assert (answer.status, answer.refusal.code) == (500, grpc.StatusCode.INTERNAL)
    assert answer.refusal.reason == "ANSWER_UNREADABLE"


def test_an_answer_larger_than_grpc_takes_by_default_is_answered(rest: RestProcess) -> None:
    answer = rest.request("GET", "/v1/large")
    assert answer.status == 200, answer.body[:1000]
    assert len(answer.json()["text"]) == 5_000_000


def test_an_error_in_the_middle_of_a_stream_is_its_last_line(rest: RestProcess) -> None:
    asked = {"code": grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "message": "enough", "answersBefore": 2}
    answer = rest.request("POST", "/v1/break", asked)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    *messages, last = answer.lines()
    assert [message["int32Value"] for message in messages] == [0, 1]
    assert last["error"]["code"] == 429
    assert (refusal_in(last).code, refusal_in(last).message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")


def test_content_that_breaks_off_does_not_look_complete(rest: RestProcess) -> None:
    with pytest.raises(http.client.IncompleteRead) as broken:
        rest.request("GET", "/v1/raw:broken")
    assert broken.value.partial == b"a,b\n"


def test_an_error_before_the_first_message_is_the_answer(rest: RestProcess) -> None:
    asked = {"code": grpc.StatusCode.NOT_FOUND.value[0], "message": "nothing"}
    answer = rest.request("POST", "/v1/break", asked)
    assert (answer.status, answer.refusal.code) == (404, grpc.StatusCode.NOT_FOUND)


def test_a_target_that_dies_in_the_middle_of_a_call_is_unavailable(rest_servers: RestServers) -> None:
    target = ServerInAProcess()
    rest = rest_servers.start([target.address])
    with ThreadPoolExecutor(1) as calling:
        call = calling.submit(rest.request, "GET", "/v1/sleep?seconds=300")
        # The call is on its way when another has gone there and back.
        assert serves(rest, "/v1/echo/a")
        target.kill()
        died = call.result(100)
    assert (died.status, died.refusal.code) == (503, grpc.StatusCode.UNAVAILABLE)
    after = rest.request("GET", "/v1/echo/a")
    assert (after.status, after.refusal.code) == (503, grpc.StatusCode.UNAVAILABLE)

    # It comes back where it was.
    again = TranscodedServer(Contract([ECHO]), address=target.address)
    eventually(lambda: serves(rest, "/v1/echo/a"), "the target is called again")
    again.stop()


@pytest.fixture
def tag(rest: RestProcess) -> str:
    answer = rest.request("GET", "/v1/tagged/a?etag=b")
    assert (answer.status, answer.json()) == (200, {"text": "a", "etag": "b"})
    return str(answer.headers["ETag"])


@pytest.mark.parametrize("asked", ["{}", '"a", {}', '{},"a"', "*"])
def test_an_answer_that_the_client_has_is_not_sent_again(rest: RestProcess, tag: str, asked: str) -> None:
    for known in (tag, tag.removeprefix("W/")):
        answer = rest.request("GET", "/v1/tagged/a?etag=b", headers={"If-None-Match": asked.format(known)})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("asked", ['"a"', "b", '"b"', '""'])
def test_an_answer_that_the_client_does_not_have_is_sent(rest: RestProcess, asked: str) -> None:
    answer = rest.request("GET", "/v1/tagged/a?etag=b", headers={"If-None-Match": asked})
    assert (answer.status, answer.json()["text"]) == (200, "a")


def test_an_answer_that_changes_without_its_resource_is_sent(rest: RestProcess, tag: str) -> None:
    # A book's available copies change like that: its etag does not cover them.
    answer = rest.request("GET", "/v1/tagged/c?etag=b", headers={"If-None-Match": tag})
    assert (answer.status, answer.json()) == (200, {"text": "c", "etag": "b"})


def test_an_unsupported_condition_is_refused(server: TranscodedServer, rest: RestProcess) -> None:
    server.take_calls()
    answer = rest.request("POST", "/v1/messages", {"text": "a"}, {"If-Match": '"nonsense"'})
    assert (answer.status, answer.refusal.reason) == (400, "FIELD_INVALID")
    assert "if-match" in answer.refusal.message
    assert server.take_calls() == []


@pytest.mark.parametrize("path", ["/v1/tagged/a", "/v1/echo/a"], ids=["an empty etag", "no such field"])
def test_an_answer_without_an_etag_is_not_tagged(rest: RestProcess, path: str) -> None:
    answer = rest.request("GET", path, headers={"If-None-Match": '""'})
    assert answer.status == 200
    assert "ETag" not in answer.headers


def test_answers_are_compressed_for_clients_that_accept_it(rest: RestProcess) -> None:
    path = f"/v1/echo/{'a' * 5_000}"
    plain = rest.request("GET", path)
    compressed = rest.request("GET", path, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert (compressed.status, compressed.headers["Content-Encoding"]) == (200, "gzip")
    assert "accept-encoding" in compressed.headers["Vary"].lower()
    assert "accept-encoding" in plain.headers["Vary"].lower()
    assert len(compressed.body) < 1_000 < len(plain.body)
    assert gzip.decompress(compressed.body) == plain.body


# --- streams, as they go ---


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}], ids=["plain", "gzip accepted"])
def test_a_message_of_a_stream_is_sent_at_once(
    rest: RestProcess, behaviours: Behaviours, headers: dict[str, str]
) -> None:
    behaviours.tick.set()
    with rest.answering("GET", "/v1/ticks", headers=headers) as answer:
        for tick in (1, 2, 3):
            assert json.loads(answer.readline())["int32Value"] == tick
            behaviours.tick.set()
    assert behaviours.left.wait(60), "the server goes on although the client has gone"


def test_a_stream_ends_with_the_deadline(rest: RestProcess, behaviours: Behaviours) -> None:
    behaviours.tick.set()
    answer = rest.request("GET", "/v1/ticks", headers={"Grpc-Timeout": "300m"})
    first, last = answer.lines()
    assert first["int32Value"] == 1
    assert refusal_in(last).code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_client_that_goes_away_ends_its_call(
    rest_servers: RestServers, server: TranscodedServer, behaviours: Behaviours
) -> None:
    # With the time limit that is the default, the call would soon end in any case.
    rest = rest_servers.start([server.address], TIMEOUT="300")
    host, _, port = rest.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=100)
    connection.request("GET", "/v1/sleep?seconds=300")
    eventually(lambda: bool(behaviours.seconds_given), "the call has arrived")
    connection.close()
    assert behaviours.left.wait(60), "the server goes on although the client has gone"


def test_the_delay_of_a_busy_server_is_in_the_headers(rest_servers: RestServers) -> None:
    def busy(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        status = Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="busy")
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=7)))
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    server = TranscodedServer(Contract([ECHO]), behaviours={"Echo": busy})
    answer = rest_servers.start([server.address]).request("GET", "/v1/echo/a")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    server.stop()


def test_a_401_names_how_to_authenticate(rest_servers: RestServers) -> None:
    def unknown(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "who is it?")

    server = TranscodedServer(Contract([ECHO]), behaviours={"Echo": unknown})
    answer = rest_servers.start([server.address]).request("GET", "/v1/echo/a")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    server.stop()
