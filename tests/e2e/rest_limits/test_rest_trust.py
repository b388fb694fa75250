"""Hosts and origins: which requests library-rest refuses, and that it keeps secrets."""

from __future__ import annotations

import pytest

from tests.support.rest import Answer, RestProcess
from tests.support.rest_limits import (
    Connection,
    Start,
)
from tests.support.transcoding.server import TranscodedServer


def asked_for(rest: RestProcess, host: str, request: str, *headers: str) -> Answer:
    with Connection(rest) as connection:
        connection.send(f"{request} HTTP/1.1", *headers, host=host)
        return connection.answer()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("LocalHost:1", 200),
        ("[::1]:8080", 200),
        ("rebound.example", 403),
        ("localhost.rebound.example", 403),
        ("127.0.0.1.rebound.example:8080", 403),
        ("[::2]", 403),
    ],
)
def test_on_a_loopback_address_only_loopback_names_are_served(rest: RestProcess, host: str, status: int) -> None:
    for path in ("/v1/echo/a", "/healthz", "/", "/nowhere"):
        answer = asked_for(rest, host, f"GET {path}")
        if status == 403:
            assert (answer.status, answer.refusal.reason) == (403, "HOST_REFUSED")
        else:
            assert answer.status == (404 if path == "/nowhere" else 200)


def test_a_name_that_is_allowed_is_served(start: Start) -> None:
    rest = start(ALLOWED_HOST="Library.Example other.example")
    for host, status in [
        ("library.example", 200),
        ("other.example:80", 200),
        ("localhost", 200),
        ("third.example", 403),
    ]:
        assert asked_for(rest, host, "GET /v1/echo/a").status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:8080", 200),
        ("https://localhost:8080", 200),  # behind something that speaks TLS
        ("http://localhost:8081", 403),
        ("http://localhost", 403),
        ("https://elsewhere.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_of_another_origin_cannot_change_anything(
    rest: RestProcess, server: TranscodedServer, origin: str | None, status: int
) -> None:
    headers = [] if origin is None else [f"Origin: {origin}"]
    answer = asked_for(rest, "localhost:8080", "POST /v1/messages", *headers)
    assert answer.status == status
    if status == 403:
        assert answer.refusal.reason == "ORIGIN_REFUSED"
        assert server.take_calls() == []
    # It may ask, as it may of any server, and its browser will not let it see the answer.
    answer = asked_for(rest, "localhost:8080", "GET /v1/echo/a", *headers)
    assert answer.status == 200
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)


def test_no_cors_headers_are_sent_unless_set(rest: RestProcess) -> None:
    asked = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
    answer = rest.request("OPTIONS", "/v1/messages", headers=asked)
    assert answer.status == 204
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)


def test_an_origin_that_is_allowed_may_call(start: Start, server: TranscodedServer) -> None:
    rest = start(CORS_ORIGIN="https://desk.example http://localhost:3000")
    for origin in ("https://desk.example", "http://localhost:3000"):
        wanted = "content-type,authorization,idempotency-key,grpc-timeout,x-request-id,if-none-match"
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": wanted}
        preflight = rest.request("OPTIONS", "/v1/messages", headers={"Origin": origin, **asked})
        assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (200, origin)
        assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
        assert set(wanted.split(",")) <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
        assert "Origin" in preflight.headers["Vary"]
        assert server.take_calls() == []

        answer = rest.request("POST", "/v1/messages", {}, {"Origin": origin})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, origin)
        assert "x-request-id" in answer.headers["Access-Control-Expose-Headers"].lower()
        # A refusal is for its eyes, too.
        answer = rest.request("POST", "/v1/messages", {"nothing": 1}, {"Origin": origin})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (400, origin)
        server.take_calls()
    other = {"Origin": "https://elsewhere.example"}
    assert rest.request("POST", "/v1/messages", {}, other).refusal.reason == "ORIGIN_REFUSED"
    preflight = rest.request("OPTIONS", "/v1/messages", headers={**other, "Access-Control-Request-Method": "POST"})
    assert preflight.status == 400
    assert "Access-Control-Allow-Origin" not in preflight.headers


def test_a_secret_is_in_no_log_and_in_no_answer(start: Start, server: TranscodedServer) -> None:
    rest = start(LOG_LEVEL="debug", TIMEOUT="1")
    secret = "5ecret-of-a-client"
    answered = b""
    for request, status in [
        ("GET /v1/echo/a", 200),
        ("GET /v1/echo/a?nothing=1", 400),
        ("GET /v1/echo/%FF", 400),
        ("PUT /v1/echo/a", 405),
        ("GET /nowhere", 404),
        ("GET /v1/sleep?seconds=5", 504),
        ("GET /healthz", 200),
        ("GET /", 200),
    ]:
        answer = asked_for(rest, "localhost", request, f"Authorization: Bearer {secret}")
        assert answer.status == status
        answered += answer.body + answer.headers.as_bytes()
    assert {call.metadata.get("authorization") for call in server.take_calls()} == {f"Bearer {secret}"}
    for unfit in (f"Bearer {secret}\xe9", f"Bearer\t{secret}"):
        answer = asked_for(rest, "localhost", "GET /v1/echo/a", f"Authorization: {unfit}")
        assert list(answer.refusal.fields) == ["authorization"]
        answered += answer.body
    assert secret not in answered.decode()
    assert "answered" in rest.log_tail()
    assert secret not in rest.log_tail(1_000_000)
