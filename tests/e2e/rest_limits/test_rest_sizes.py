"""Requests that are larger or slower than library-rest takes, and those without an end."""

from __future__ import annotations

import time

import pytest

from tests.support.rest import RestProcess, refusal_in, serves
from tests.support.rest_limits import (
    HEADER_BYTES,
    IN_CHUNKS,
    NDJSON,
    SOON,
    Connection,
    chunk,
    text_of,
)
from tests.support.transcoding.server import TranscodedServer


def test_a_body_may_be_as_large_as_the_setting(rest: RestProcess) -> None:
    assert rest.request("POST", "/v1/messages", text_of(1_000)).status == 200
    answer = rest.request("POST", "/v1/messages", text_of(1_001))
    assert (answer.status, answer.refusal.reason, answer.refusal.metadata["most_bytes"]) == (
        413,
        "BODY_TOO_LARGE",
        "1000",
    )


@pytest.mark.parametrize("kind", ["announced", "in chunks"])
def test_the_connection_of_a_body_that_was_too_large_can_be_used_on(rest: RestProcess, kind: str) -> None:
    with Connection(rest) as connection:
        if kind == "announced":
            connection.send("POST /v1/messages HTTP/1.1", "Content-Length: 200000", body=b"x" * 200_000)
        else:
            parts = b"".join(chunk(b"x" * 700) for _ in range(300))
            connection.send("POST /v1/messages HTTP/1.1", "Transfer-Encoding: chunked", body=parts + b"0\r\n\r\n")
        assert connection.answer().refusal.reason == "BODY_TOO_LARGE"
        connection.send("GET /v1/echo/a HTTP/1.1")
        assert connection.answer().json()["text"] == "a"


def test_a_body_that_is_announced_too_large_is_not_waited_for(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        # As curl asks before it sends a large body: may I? The answer is not `100 Continue`.
        connection.send("POST /v1/messages HTTP/1.1", "Content-Length: 5000000000", "Expect: 100-continue")
        assert connection.answer().status == 413


def test_a_body_that_may_be_sent_is_asked_for(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        connection.send("POST /v1/messages HTTP/1.1", "Content-Length: 2", "Expect: 100-continue")
        assert connection.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.socket.sendall(b"{}")
        assert connection.answer().status == 200


@pytest.mark.parametrize(
    "sent",
    [
        ["POST /v1/messages HTTP/1.1", "Content-Length: 5000000000"],
        ["POST /v1/messages HTTP/1.1", "Transfer-Encoding: chunked"],
        ["GET /healthz HTTP/1.1", "Transfer-Encoding: chunked"],
        ["POST /nowhere HTTP/1.1", "Transfer-Encoding: chunked"],
    ],
    ids=["announced", "in chunks", "not asked for", "for nobody"],
)
def test_a_body_without_an_end_is_cut_off(rest: RestProcess, sent: list[str]) -> None:
    more = b"x" * 2_000 if "5000000000" in sent[1] else chunk(b"x" * 2_000)
    with Connection(rest) as connection:
        connection.send(*sent, body=more)
        connection.answer()
        assert connection.seconds_until_closed(lambda: more) < 1 + 1 + SOON
    assert serves(rest)


def test_a_body_that_is_slow_is_answered_in_time(rest: RestProcess, server: TranscodedServer) -> None:
    with Connection(rest) as connection:
        begin = time.monotonic()
        connection.send("POST /v1/messages HTTP/1.1", "Content-Length: 100", body=b'{"text"')
        answer = connection.answer()
    assert (answer.status, answer.refusal.reason) == (504, "DEADLINE_EXCEEDED")
    assert 1 <= time.monotonic() - begin < 1 + SOON
    assert server.take_calls() == []


def test_a_stream_that_is_slow_is_answered_in_time(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        begin = time.monotonic()
        connection.send("POST /v1/gathered HTTP/1.1", "Transfer-Encoding: chunked", body=chunk(b'{"text": "a"}\n'))
        assert connection.answer().status == 504
    assert 1 <= time.monotonic() - begin < 1 + SOON


@pytest.mark.parametrize("rule", ["/v1/gathered", "/v1/talk", "/v1/talk:late"])
def test_a_line_that_is_too_large_is_refused(rest: RestProcess, rule: str) -> None:
    body = b'{"text": "a"}\n' + text_of(1_001) + b"\n"
    answer = rest.request("POST", rule, body, NDJSON)
    # What was answered before the line came stays answered.
    refusal = refusal_in(answer.lines()[-1])
    assert (refusal.reason, refusal.metadata["part"]) == ("BODY_TOO_LARGE", "line")
    assert rest.request("POST", "/v1/gathered", b"\n\n" + text_of(1_000) + b"\n", NDJSON).status == 200


def test_a_line_without_an_end_is_refused(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        connection.send("POST /v1/gathered HTTP/1.1", "Transfer-Encoding: chunked", body=chunk(b"x" * 1_001))
        assert connection.answer().refusal.metadata["part"] == "line"


def test_a_stream_that_is_too_large_is_refused(rest: RestProcess) -> None:
    answer = rest.request("POST", "/v1/gathered", b'{"text": "a"}\n' * 400, NDJSON)
    assert (answer.status, answer.refusal.metadata) == (413, {"part": "body", "most_bytes": "5000"})
    with Connection(rest) as connection:
        lines = b"".join(chunk(b'{"text": "a"}\n' * 100) for _ in range(4))
        connection.send("POST /v1/gathered HTTP/1.1", "Transfer-Encoding: chunked", body=lines)
        assert connection.answer().status == 413


def test_headers_that_are_too_large_are_refused(rest: RestProcess) -> None:
    most = HEADER_BYTES - 500
    assert rest.request("GET", "/v1/echo/a", headers={"X-Long": "x" * most}).status == 200
    answer = rest.request("GET", "/v1/echo/a", headers={"X-Long": "x" * HEADER_BYTES})
    assert (answer.status, answer.refusal.reason) == (431, "HEADERS_TOO_LARGE")
    answer = rest.request("GET", "/v1/echo/a", headers={f"X-{number}": "x" * 20 for number in range(1_500)})
    assert answer.status == 431


@pytest.mark.parametrize("path", ["/v1/echo/{}", "/v1/echo/a?text={}", "/healthz?{}", "/{}"])
def test_a_path_that_is_too_long_is_refused(rest: RestProcess, path: str) -> None:
    assert rest.request("GET", path.format("x" * (HEADER_BYTES - 100))).status in (200, 400, 404)
    # httptools cannot parse a URL of 64 kB or more.
    for size in (HEADER_BYTES, 2 * HEADER_BYTES - 30, 2 * HEADER_BYTES - 1, 2 * HEADER_BYTES, 2 * HEADER_BYTES + 4_000):
        answer = rest.request("GET", path.format("x" * size))
        assert (answer.status, answer.refusal.reason) == (414, "PATH_TOO_LONG"), size
        answer = rest.request("GET", path.format(("%C3%A9" * size)[:size]))
        assert (answer.status, answer.refusal.reason) == (414, "PATH_TOO_LONG"), size


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b""),
        (b"G", b""),
        (b"GET /v1/echo/", b"a" * 10_000),
        (b"GET /v1/echo/a HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"a" * 10_000),
        (b"GET /v1/echo/a HTTP/1.1\r\nHost: localhost\r\n", b"X: a\r\n" * 1_000),
        (b"GET /v1/echo/a HTTP/1.1\r\nHost: localhost\r\n" + b"a" * 100, b"a" * 10_000),
        (b"", b"\r\n" * 5_000),
        (IN_CHUNKS % b"messages" + b"1;", b"a" * 10_000),
        (IN_CHUNKS % b"messages" + b"0\r\n", b"X: a\r\n" * 1_000),
        (IN_CHUNKS % b"messages" + b"0\r\nX: ", b"a" * 10_000),
    ],
    ids=[
        "nothing",
        "nothing more",
        "path",
        "header",
        "headers",
        "name of a header",
        "empty lines",
        "word behind a chunk's size",
        "trailers",
        "trailer",
    ],
)
def test_a_request_without_an_end_is_cut_off(rest: RestProcess, begin: bytes, more: bytes) -> None:
    sent = 0

    def endlessly() -> bytes:
        nonlocal sent
        sent += 20 * len(more)
        return 20 * more

    with Connection(rest) as connection:
        connection.socket.sendall(begin)
        assert connection.seconds_until_closed(endlessly) < 1 + SOON
    assert sent < 2_000_000
    assert serves(rest)


def test_headers_that_come_slowly_are_cut_off(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        connection.send("GET /v1/echo/a HTTP/1.1")
        assert connection.answer().status == 200
        connection.socket.sendall(b"GET /v1/echo/a HTTP/1.1\r\n")
        seconds = connection.seconds_until_closed(lambda: b"X: a\r\n")
        assert 1 <= seconds < 1 + SOON


def test_a_trailer_is_not_a_header(rest: RestProcess, server: TranscodedServer) -> None:
    with Connection(rest) as connection:
        body = chunk(b"{}") + b"0\r\nAuthorization: Bearer later\r\nX-Request-Id: later\r\n\r\n"
        connection.send("POST /v1/messages HTTP/1.1", "Transfer-Encoding: chunked", body=body)
        assert connection.answer().headers["X-Request-Id"] != "later"
    (call,) = server.take_calls()
    assert "authorization" not in call.metadata


@pytest.mark.parametrize(
    "request_line",
    [
        "GET",
        "GET /v1/echo/\xfc HTTP/1.1",
        "GET /v1/echo/a?text=\xfc HTTP/1.1",
        "\x16\x03\x01",
        "GET /a b HTTP/1.1",
        "GET /a HTTP/9.9",
    ],
)
def test_a_request_that_is_not_http_is_refused(rest: RestProcess, request_line: str) -> None:
    with Connection(rest) as connection:
        connection.send(request_line)
        assert connection.answer().status == 400
        assert connection.seconds_until_closed() < SOON


@pytest.mark.parametrize("text", ["%0A", "a%0Ab%0D%0A", "%00", "%E2%80%A8", "..", "%2E%2E"])
def test_any_character_may_be_in_a_path(rest: RestProcess, text: str) -> None:
    expected = text.replace("%0A", "\n").replace("%0D", "\r").replace("%00", "\0").replace("%2E", ".")
    answer = rest.request("GET", f"/v1/echo/{text}")
    assert (answer.status, answer.json().get("text")) == (200, expected.replace("%E2%80%A8", "\u2028"))
    assert rest.request("GET", f"/nowhere/{text}").refusal.reason == "PATH_UNKNOWN"
