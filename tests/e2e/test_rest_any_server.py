"""library-rest before servers that it does not know: how it learns what they offer, and what it passes on of calls."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tests.support.rest import RestProcess, RestServers, refusal_in
from tests.support.transcoding.behaviours import ECHO, RULES, SEND, Behaviours
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.misdescribed import MisdescribedServer
from tests.support.transcoding.process import ServerInAProcess
from tests.support.transcoding.server import Call, TranscodedServer
from tests.sync.agreement import eventually

NEVER = "3600"
"""An interval that no test lives to see the end of."""


@pytest.fixture(scope="module")
def behaviours() -> Behaviours:
    return Behaviours(Contract(RULES))


@pytest.fixture(scope="module")
def server(behaviours: Behaviours) -> Iterator[TranscodedServer]:
    started = TranscodedServer(behaviours.contract, behaviours=behaviours.by_method())
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address])


@pytest.fixture(autouse=True)
def nothing_seen_yet(server: TranscodedServer, behaviours: Behaviours) -> None:
    server.take_calls()
    behaviours.tick.clear()
    behaviours.left.clear()
    behaviours.seconds_given.clear()


def only_call(server: TranscodedServer) -> Call:
    (call,) = server.take_calls()
    return call


def serves(rest: RestProcess, path: str) -> bool:
    return rest.request("GET", path).status == 200


# --- learning what a server offers ---


@pytest.mark.parametrize("reflections", [["v1"], ["v1alpha"], ["v1", "v1alpha"]], ids=" and ".join)
def test_it_learns_from_either_version_of_reflection(rest_servers: RestServers, reflections: list[str]) -> None:
    server = TranscodedServer(Contract([ECHO]), reflections=reflections)
    rest = rest_servers.start([server.address])
    assert rest.request("GET", "/v1/echo/a").json()["text"] == "a"
    server.stop()


def test_a_server_without_reflection_is_named(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO]), reflections=[])
    rest = rest_servers.prepare([server.address])
    rest.launch()
    rest.wait_until_listening()
    eventually(lambda: any(event["event"] == "contract not learnt" for event in rest.log_events()), "it is in the log")
    (told,) = (event for event in rest.log_events() if event["event"] == "contract not learnt")
    assert (told["level"], told["target"]) == ("warning", server.address)
    assert "UNIMPLEMENTED" in told["problem"]
    assert rest.request("GET", "/healthz").status == 503
    server.stop()


def test_a_service_that_is_listed_and_not_described_hides_no_other(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO]), listed=["transcoding.test.v1.Ghost"])
    rest = rest_servers.start([server.address])
    assert serves(rest, "/v1/echo/a")
    told = [event for event in rest.log_events() if event["event"] == "service listed and not described"]
    assert told[0]["service"] == "transcoding.test.v1.Ghost"
    server.stop()


def test_a_target_that_is_slow_to_describe_itself_does_not_keep_it_from_stopping(rest_servers: RestServers) -> None:
    slow = MisdescribedServer(answer_seconds=9.0)
    rest = rest_servers.prepare([slow.address], GRACE="1")
    rest.launch()
    assert slow.asked.wait(30)
    began = time.monotonic()
    assert rest.stop() == 0
    assert time.monotonic() - began < 8
    slow.stop()


def test_it_starts_before_its_target(rest_servers: RestServers, unused_address: str) -> None:
    rest = rest_servers.prepare([unused_address])
    rest.launch()
    rest.wait_until_listening()
    health, refused = rest.request("GET", "/healthz"), rest.request("GET", "/v1/echo/a")
    assert (health.status, health.json()["status"]) == (503, "NOT_SERVING")
    assert health.json()["targets"] == {unused_address: "NOT_SERVING"}
    assert (refused.status, refused.refusal.code) == (503, grpc.StatusCode.UNAVAILABLE)
    assert (refused.refusal.reason, refused.refusal.domain) == ("TARGET_UNKNOWN", "library-rest")
    assert unused_address in refused.refusal.message
    pid = rest.pid

    server = TranscodedServer(Contract([ECHO]), address=unused_address)
    rest.wait_until_serving()
    assert rest.request("GET", "/healthz").json() == {"status": "SERVING", "targets": {unused_address: "SERVING"}}
    assert rest.request("GET", "/v1/echo/a").json()["text"] == "a"
    assert rest.pid == pid
    server.stop()


def test_one_target_that_is_down_does_not_keep_another_from_serving(
    rest_servers: RestServers, unused_address: str, server: TranscodedServer
) -> None:
    rest = rest_servers.prepare([unused_address, server.address])
    rest.launch()
    rest.wait_until_listening()
    eventually(lambda: serves(rest, "/v1/echo/a"), "the target that is up is served")
    health = rest.request("GET", "/healthz")
    assert health.status == 503
    assert health.json()["targets"] == {unused_address: "NOT_SERVING", server.address: "SERVING"}


def test_a_target_that_comes_back_as_another_is_learnt_anew(rest_servers: RestServers) -> None:
    before = TranscodedServer(Contract([ECHO, Rule('get: "/v1/shelves/{text}"', method="GetShelf")]))
    rest = rest_servers.start([before.address], CONTRACT_INTERVAL=NEVER)
    assert serves(rest, "/v1/shelves/a")
    before.stop()

    added, moved = Rule('get: "/v1/boxes/{text}"'), Rule('get: "/v2/shelves/{text}"', method="GetShelf")
    after = TranscodedServer(Contract([added, ECHO, moved]), address=before.address)
    eventually(lambda: serves(rest, "/v1/boxes/a"), "the added method is served")
    assert serves(rest, "/v2/shelves/a")
    assert serves(rest, "/v1/echo/a")
    assert rest.request("GET", "/v1/shelves/a").status == 404
    assert "/v2/shelves/{text}" in rest.request("GET", "/openapi.json").json()["paths"]
    after.stop()


def test_a_method_that_appears_is_found_at_the_next_look(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO]))
    rest = rest_servers.start([server.address], CONTRACT_INTERVAL="0.5")
    assert rest.request("GET", "/v1/boxes/a").status == 404
    server.offer(Contract([ECHO, Rule('get: "/v1/boxes/{text}"')]))
    assert eventually(lambda: serves(rest, "/v1/boxes/a"), "the added method is served") < 5
    server.stop()


def wait_for_no_more_looks(server: TranscodedServer) -> None:
    """Wait until the look is over that library-rest takes when it has connected."""
    looks = -1
    while server.looks != looks:
        looks = server.looks
        time.sleep(2.0)


def test_a_method_that_is_gone_is_noticed_when_it_is_called(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO, SEND]))
    rest = rest_servers.start([server.address], CONTRACT_INTERVAL=NEVER)
    wait_for_no_more_looks(server)
    server.offer(Contract([Rule('post: "/v2/messages" body: "*"', takes="SendRequest")]))
    gone = rest.request("GET", "/v1/echo/a")
    assert (gone.status, gone.refusal.code) == (501, grpc.StatusCode.UNIMPLEMENTED)
    eventually(lambda: rest.request("GET", "/v1/echo/a").status == 404, "the path is gone, too")
    assert rest.request("POST", "/v2/messages", {}).status == 200
    server.stop()


def test_of_two_targets_with_the_same_path_the_first_named_has_it(
    rest_servers: RestServers, unused_address: str
) -> None:
    second = TranscodedServer(Contract([ECHO, Rule('get: "/v1/second/{text}"')], service="Second"))
    rest = rest_servers.prepare([unused_address, second.address], CONTRACT_INTERVAL="0.5")
    rest.launch()
    rest.wait_until_listening()
    eventually(lambda: serves(rest, "/v1/echo/a"), "the second has the path while the first is down")
    second.take_calls()

    # Which of them was learnt first must not matter.
    first = TranscodedServer(Contract([ECHO], service="First"), address=unused_address)
    rest.wait_until_serving()
    assert serves(rest, "/v1/echo/a")
    assert only_call(first).method == "/transcoding.test.v1.First/Echo"
    assert serves(rest, "/v1/second/a")
    assert only_call(second).method == "/transcoding.test.v1.Second/Method2"

    told = [event for event in rest.log_events() if event.get("target") == second.address and "path" in event]
    assert {(event["level"], event["path"], event["method"], event["by"]) for event in told} == {
        ("warning", "GET /v1/echo/{text}", "transcoding.test.v1.Second/Echo", "transcoding.test.v1.First/Echo")
    }
    first.stop()
    second.stop()


@pytest.fixture
def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


# --- errors ---

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
        # It is gRPC's own as often as the server's, whose words are then all that tells them apart.
        assert (refusal.reason, refusal.domain) == ("TARGET_UNAVAILABLE", "library-rest")
        assert "No “shelf” is free.\nAsk later." in refusal.message
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        assert (refusal.reason, refusal.domain) == ("DEADLINE_EXCEEDED", "library-rest")
        assert "No “shelf” is free.\nAsk later." in refusal.message
    else:
        assert (refusal.reason, refusal.message) == ("", "No “shelf” is free.\nAsk later.")


def test_the_table_has_all_codes() -> None:
    assert {row.values[0] for row in CODES} == set(grpc.StatusCode) - {grpc.StatusCode.OK}


def test_details_come_through_whoever_knows_their_types(rest: RestProcess) -> None:
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
                # Nobody described this type: its bytes are what can be told.
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


def test_ok_without_a_message_is_told(rest: RestProcess) -> None:
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


def test_content_that_breaks_off_is_not_taken_for_whole(rest: RestProcess) -> None:
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
        call = calling.submit(rest.request, "GET", "/v1/sleep?seconds=30")
        # The call is on its way when another has gone there and back.
        assert serves(rest, "/v1/echo/a")
        target.kill()
        died = call.result(10)
    assert (died.status, died.refusal.code) == (503, grpc.StatusCode.UNAVAILABLE)
    after = rest.request("GET", "/v1/echo/a")
    assert (after.status, after.refusal.code) == (503, grpc.StatusCode.UNAVAILABLE)

    # It comes back where it was.
    again = TranscodedServer(Contract([ECHO]), address=target.address)
    eventually(lambda: serves(rest, "/v1/echo/a"), "the target is called again")
    again.stop()


# --- deadlines ---


@pytest.mark.parametrize(("timeout", "seconds"), [("200m", 0.2), ("200000u", 0.2), ("1S", 1.0)])
def test_a_call_ends_when_its_time_is_over(
    rest: RestProcess, behaviours: Behaviours, timeout: str, seconds: float
) -> None:
    began = time.monotonic()
    answer = rest.request("GET", "/v1/sleep?seconds=30", headers={"Grpc-Timeout": timeout})
    assert seconds <= time.monotonic() - began < seconds + 20
    assert (answer.status, answer.refusal.code) == (504, grpc.StatusCode.DEADLINE_EXCEEDED)
    (given,) = behaviours.seconds_given
    assert 0 < given < seconds + 0.1  # gRPC rounds up on its way
    assert behaviours.left.wait(5), "the server goes on although nobody waits for its answer"


@pytest.mark.parametrize("unit", "HMSmun")
@pytest.mark.parametrize("number", ["0", "00000000"])
def test_a_time_of_zero_has_passed(rest: RestProcess, server: TranscodedServer, number: str, unit: str) -> None:
    """Whatever the request is; the target is not called. Many times, since it must not be a matter of chance."""
    headers = {"Grpc-Timeout": number + unit}
    asked = [("GET", "/v1/echo/a", None), ("POST", "/v1/messages", {"text": "a"}), ("GET", "/v1/ticks", None)]
    for _ in range(5):
        for verb, path, body in asked:
            answer = rest.request(verb, path, body, headers)
            assert (answer.status, answer.refusal.reason) == (504, "DEADLINE_EXCEEDED")
    assert server.take_calls() == []


def test_a_time_that_passes_before_the_target_is_called_has_passed(rest: RestProcess, server: TranscodedServer) -> None:
    for _ in range(20):
        assert rest.request("GET", "/v1/echo/a", headers={"Grpc-Timeout": "1n"}).status == 504
    assert server.take_calls() == []


@pytest.mark.parametrize("values", [("1S", "2S"), ("1S", "1S"), ("0n", "1S")])
def test_a_time_that_is_sent_twice_is_refused(
    rest: RestProcess, server: TranscodedServer, values: tuple[str, ...]
) -> None:
    status, told = with_headers(rest, [("Grpc-Timeout", value) for value in values])
    assert (status, list(refusal_in(told).fields)) == (400, ["grpc-timeout"])
    assert server.take_calls() == []


def test_credentials_that_contradict_each_other_are_refused(rest: RestProcess, server: TranscodedServer) -> None:
    status, told = with_headers(rest, [("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert (status, list(refusal_in(told).fields)) == (400, ["authorization"])
    assert server.take_calls() == []


def with_headers(rest: RestProcess, headers: list[tuple[str, str]]) -> tuple[int, object]:
    """Ask for an echo, with headers of which one may be there several times."""
    connection = http.client.HTTPConnection(rest.address, timeout=100)
    try:
        connection.putrequest("GET", "/v1/echo/a")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("headers", [{}, {"Grpc-Timeout": "1H"}], ids=["no header", "a header that asks for more"])
def test_no_call_takes_longer_than_the_setting(
    rest_servers: RestServers, server: TranscodedServer, headers: dict[str, str]
) -> None:
    rest = rest_servers.start([server.address], TIMEOUT="0.3")
    began = time.monotonic()
    answer = rest.request("GET", "/v1/sleep?seconds=30", headers=headers)
    assert 0.3 <= time.monotonic() - began < 25
    assert (answer.status, answer.refusal.code) == (504, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_a_call_in_time_is_answered(rest: RestProcess) -> None:
    answer = rest.request("GET", "/v1/sleep?seconds=0.05", headers={"Grpc-Timeout": "10S"})
    assert answer.status == 200


# --- headers that go through ---


def test_authorization_and_request_id_go_through(server: TranscodedServer, rest: RestProcess) -> None:
    sent = {"Authorization": "Bearer a.b-c=", "X-Request-Id": "a-1", "Cookie": "secret=1", "X-Else": "b"}
    answer = rest.request("GET", "/v1/echo/a", headers=sent)
    metadata = only_call(server).metadata
    assert (metadata["authorization"], metadata["x-request-id"]) == ("Bearer a.b-c=", "a-1")
    assert answer.headers["X-Request-Id"] == "a-1"
    assert not {"cookie", "x-else"} & set(metadata)


@pytest.mark.parametrize("sent", [{}, {"X-Request-Id": ""}, {"X-Request-Id": "two words"}, {"X-Request-Id": "a" * 65}])
def test_a_request_id_is_made_where_none_can_be_taken(
    server: TranscodedServer, rest: RestProcess, sent: dict[str, str]
) -> None:
    answer = rest.request("GET", "/v1/echo/a", headers=sent)
    made = answer.headers["X-Request-Id"]
    assert uuid.UUID(made).hex == made.replace("-", "")
    metadata = only_call(server).metadata
    assert metadata["x-request-id"] == made
    assert "authorization" not in metadata


IDEMPOTENCY_KEYS = [
    pytest.param("a-1", {"text": "b"}, "a-1", id="no request_id in the body"),
    pytest.param('"a-1"', {"text": "b"}, "a-1", id="in quotes, as its draft has it"),
    pytest.param("a-1", {"text": "b", "requestId": ""}, "a-1", id="an empty request_id"),
    pytest.param("a-1", {"text": "b", "requestId": "a-1"}, "a-1", id="the same"),
    pytest.param("a-1", {"text": "b", "request_id": "a-1"}, "a-1", id="the same, by the name in the .proto"),
    pytest.param(None, {"text": "b", "requestId": "a-2"}, "a-2", id="no header"),
]


@pytest.mark.parametrize(("key", "body", "seen"), IDEMPOTENCY_KEYS)
def test_an_idempotency_key_is_the_request_id(
    server: TranscodedServer, rest: RestProcess, key: str | None, body: dict[str, str], seen: str
) -> None:
    answer = rest.request("POST", "/v1/messages", body, {} if key is None else {"Idempotency-Key": key})
    assert answer.json() == {"text": "b", "requestId": seen}
    (request,) = only_call(server).requests
    assert request == server.contract.parsed("SendRequest", f'text: "b" request_id: "{seen}"')


def test_an_idempotency_key_that_differs_from_the_request_id_is_refused(
    server: TranscodedServer, rest: RestProcess
) -> None:
    answer = rest.request("POST", "/v1/messages", {"requestId": "a-2"}, {"Idempotency-Key": "a-1"})
    assert (answer.status, answer.refusal.reason) == (400, "FIELD_INVALID")
    assert list(answer.refusal.fields) == ["requestId"]
    assert server.take_calls() == []


def test_an_idempotency_key_that_a_method_cannot_use_is_refused(server: TranscodedServer, rest: RestProcess) -> None:
    for verb in ("GET", "HEAD"):
        answer = rest.request(verb, "/v1/echo/a", headers={"Idempotency-Key": "a-1"})
        assert answer.status == 400
    answer = rest.request("GET", "/v1/echo/a", headers={"Idempotency-Key": "a-1"})
    assert (answer.status, answer.refusal.reason) == (400, "IDEMPOTENCY_KEY_UNUSABLE")
    assert server.take_calls() == []


# --- entity tags and compression ---


@pytest.fixture
def tag(rest: RestProcess) -> str:
    answer = rest.request("GET", "/v1/tagged/a?etag=b")
    assert (answer.status, answer.json()) == (200, {"text": "a", "etag": "b"})
    return str(answer.headers["ETag"])


@pytest.mark.parametrize("asked", ["{}", '"a", {}', '{},"a"', "*"])
def test_what_the_client_has_is_not_sent_again(rest: RestProcess, tag: str, asked: str) -> None:
    for known in (tag, tag.removeprefix("W/")):
        answer = rest.request("GET", "/v1/tagged/a?etag=b", headers={"If-None-Match": asked.format(known)})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("asked", ['"a"', "b", '"b"', '""'])
def test_what_the_client_has_not_is_sent(rest: RestProcess, asked: str) -> None:
    answer = rest.request("GET", "/v1/tagged/a?etag=b", headers={"If-None-Match": asked})
    assert (answer.status, answer.json()["text"]) == (200, "a")


def test_an_answer_that_changes_without_its_resource_is_sent(rest: RestProcess, tag: str) -> None:
    # As a book's available copies do, which are no part of the entry that its etag stands for.
    answer = rest.request("GET", "/v1/tagged/c?etag=b", headers={"If-None-Match": tag})
    assert (answer.status, answer.json()) == (200, {"text": "c", "etag": "b"})


def test_a_condition_that_cannot_be_held_is_refused(server: TranscodedServer, rest: RestProcess) -> None:
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


def test_answers_are_compressed_for_who_takes_that(rest: RestProcess) -> None:
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
def test_a_message_is_sent_when_it_is_there(rest: RestProcess, behaviours: Behaviours, headers: dict[str, str]) -> None:
    behaviours.tick.set()
    with rest.answering("GET", "/v1/ticks", headers=headers) as answer:
        for tick in (1, 2, 3):
            assert json.loads(answer.readline())["int32Value"] == tick
            behaviours.tick.set()
    assert behaviours.left.wait(5), "the server goes on although the client has gone"


def test_a_stream_ends_with_the_deadline(rest: RestProcess, behaviours: Behaviours) -> None:
    behaviours.tick.set()
    answer = rest.request("GET", "/v1/ticks", headers={"Grpc-Timeout": "300m"})
    first, last = answer.lines()
    assert first["int32Value"] == 1
    assert refusal_in(last).code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_client_that_goes_away_ends_its_call(rest: RestProcess, behaviours: Behaviours) -> None:
    host, _, port = rest.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", "/v1/sleep?seconds=30")
    eventually(lambda: bool(behaviours.seconds_given), "the call has arrived")
    connection.close()
    assert behaviours.left.wait(5), "the server goes on although the client has gone"


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
