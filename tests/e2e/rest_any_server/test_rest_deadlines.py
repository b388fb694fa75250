"""How long calls may take, and headers that go through."""

from __future__ import annotations

import http.client
import json
import time
import uuid

import grpc
import pytest

from tests.support.rest import RestProcess, RestServers, refusal_in
from tests.support.transcoding.behaviours import Behaviours
from tests.support.transcoding.server import TranscodedServer, only_call


@pytest.mark.parametrize(("timeout", "seconds"), [("200m", 0.2), ("200000u", 0.2), ("1S", 1.0)])
def test_a_call_ends_at_its_deadline(rest: RestProcess, behaviours: Behaviours, timeout: str, seconds: float) -> None:
    began = time.monotonic()
    answer = rest.request("GET", "/v1/sleep?seconds=300", headers={"Grpc-Timeout": timeout})
    assert seconds <= time.monotonic() - began < seconds + 20
    assert (answer.status, answer.refusal.code) == (504, grpc.StatusCode.DEADLINE_EXCEEDED)
    (given,) = behaviours.seconds_given
    assert 0 < given < seconds + 0.1  # gRPC rounds up on its way
    assert behaviours.left.wait(100), "the server goes on although nobody waits for its answer"


@pytest.mark.parametrize("unit", "HMSmun")
@pytest.mark.parametrize("number", ["0", "00000000"])
def test_a_timeout_of_zero_has_passed(rest: RestProcess, server: TranscodedServer, number: str, unit: str) -> None:
    """Every request is refused and no target is called. Several rounds: a race would not show every time."""
    headers = {"Grpc-Timeout": number + unit}
    asked = [("GET", "/v1/echo/a", None), ("POST", "/v1/messages", {"text": "a"}), ("GET", "/v1/ticks", None)]
    for _ in range(5):
        for verb, path, body in asked:
            answer = rest.request(verb, path, body, headers)
            assert (answer.status, answer.refusal.reason) == (504, "DEADLINE_EXCEEDED")
    assert server.take_calls() == []


def test_a_timeout_that_ends_before_the_call_has_passed(rest: RestProcess, server: TranscodedServer) -> None:
    for _ in range(20):
        assert rest.request("GET", "/v1/echo/a", headers={"Grpc-Timeout": "1n"}).status == 504
    assert server.take_calls() == []


@pytest.mark.parametrize("values", [("1S", "2S"), ("1S", "1S"), ("0n", "1S")])
def test_a_timeout_that_is_sent_twice_is_refused(
    rest: RestProcess, server: TranscodedServer, values: tuple[str, ...]
) -> None:
    status, body = with_headers(rest, [("Grpc-Timeout", value) for value in values])
    assert (status, list(refusal_in(body).fields)) == (400, ["grpc-timeout"])
    assert server.take_calls() == []


def test_credentials_that_contradict_each_other_are_refused(rest: RestProcess, server: TranscodedServer) -> None:
    status, body = with_headers(rest, [("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert (status, list(refusal_in(body).fields)) == (400, ["authorization"])
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
    answer = rest.request("GET", "/v1/sleep?seconds=300", headers=headers)
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
    assert metadata["x-forwarded-for"] == "127.0.0.1"


def test_the_client_of_a_proxy_on_this_machine_is_named(server: TranscodedServer, rest: RestProcess) -> None:
    rest.request("GET", "/v1/echo/a", headers={"X-Forwarded-For": "10.0.0.1, 198.51.100.7"})
    assert only_call(server).metadata["x-forwarded-for"] == "198.51.100.7"


@pytest.mark.parametrize("sent", [{}, {"X-Request-Id": ""}, {"X-Request-Id": "two words"}, {"X-Request-Id": "a" * 65}])
def test_a_request_id_is_generated_if_the_client_sends_no_usable_one(
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
