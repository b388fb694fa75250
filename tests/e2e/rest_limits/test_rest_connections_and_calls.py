"""More calls than library-rest takes, clients that break off, and connections with many requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from tests.support.rest import RestProcess, RestServers, serves
from tests.support.rest_limits import (
    IN_CHUNKS,
    SOON,
    Connection,
    Start,
    chunk,
)
from tests.support.transcoding.behaviours import ECHO, Behaviours
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually


def test_a_call_too_many_is_refused_at_once(start: Start, behaviours: Behaviours) -> None:
    rest = start(CONCURRENT_CALLS="2")
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(rest.request, "GET", "/v1/sleep?seconds=5") for _ in range(2)]
        eventually(lambda: len(behaviours.seconds_given) >= 2, "both calls run")
        answer = rest.request("GET", "/v1/echo/a")  # had it waited for a place, it would have got one
        assert (answer.status, answer.refusal.reason, answer.headers["Retry-After"]) == (429, "TOO_MANY_CALLS", "1")
        # A request for the health of library-rest itself is not a call.
        assert rest.request("GET", "/healthz").status == 200
        assert [call.result().status for call in running] == [200, 200]
    assert serves(rest)


# --- clients that break off ---


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        IN_CHUNKS % b"gathered" + chunk(b'{"text": "a"}\n'),
        IN_CHUNKS % b"talk" + chunk(b'{"text": "a"}\n'),
        IN_CHUNKS % b"talk:late" + chunk(b"{}\n"),
        b"GET /v1/ticks HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/flood HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/sleep?seconds=25 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["body", "stream in", "both ways", "both ways, no answer yet", "silent stream", "stream out", "call"],
)
def test_the_place_of_a_client_that_broke_off_is_released(start: Start, sent: bytes) -> None:
    rest = start(CONCURRENT_CALLS="1")
    for end in (Connection.reset, Connection.__exit__):
        connection = Connection(rest)
        connection.socket.sendall(sent)
        eventually(lambda: rest.request("GET", "/v1/echo/a").status == 429, "it has the only place")
        end(connection)
        begin = time.monotonic()
        eventually(lambda: serves(rest), "its place is given back")
        assert time.monotonic() - begin < SOON


def test_a_client_that_does_not_read_its_answer_is_disconnected(start: Start, behaviours: Behaviours) -> None:
    rest = start(CONCURRENT_CALLS="1", TIMEOUT="1")
    with Connection(rest, receive_buffer=4096) as connection:
        connection.send("GET /v1/flood HTTP/1.1")
        eventually(lambda: rest.request("GET", "/v1/echo/a").status == 429, "it has the only place")
        assert behaviours.left.wait(1 + SOON), "the target goes on"
        eventually(lambda: serves(rest), "its place is given back")


def test_requests_behind_an_unread_answer_have_no_place(rest_servers: RestServers) -> None:
    contract = Contract([ECHO])

    def echo(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        text = next(requests).text
        yield contract.message_type("Message")(text="x" * 4_000_000 if text == "large" else text)

    server = TranscodedServer(contract, behaviours={"Echo": echo})
    rest = rest_servers.start([server.address], CONCURRENT_CALLS="2", TIMEOUT="3600", LOG_LEVEL="debug")

    def answered() -> int:
        return [event.get("status") for event in rest.log_events()].count(200)

    with Connection(rest, receive_buffer=4096) as first, Connection(rest, receive_buffer=4096) as second:
        for connection in (first, second):
            connection.socket.sendall(b"GET /v1/echo/large HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        eventually(lambda: answered() >= 2, "the first answers of both are sent")
        for _ in range(5):
            eventually(lambda: rest.request("GET", "/v1/echo/small").status == 200, "others have a place")
        # When they are read, the others follow.
        assert [len(first.answer().body) > 4_000_000 for _ in range(3)] == [True] * 3
    server.stop()


@pytest.mark.slow
def test_a_slow_client_is_not_disconnected(start: Start) -> None:
    rest = start(TIMEOUT="1")
    with Connection(rest, receive_buffer=4096) as connection:
        connection.send("GET /v1/flood HTTP/1.1")
        begin = time.monotonic()
        # The stream ends after a second, but by then not all of it has been taken, and the end comes, too.
        while time.monotonic() < begin + 4:
            assert connection.socket.recv(2_000) != b""
            time.sleep(0.05)
        last = b""
        while not last.endswith(b"0\r\n\r\n"):
            part = connection.socket.recv(65_536)
            assert part, "the connection was closed"
            last = (last + part)[-1_000:]
        assert b"DEADLINE_EXCEEDED" in last


def test_a_connection_is_kept_after_every_kind_of_answer(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        for request, status in [
            ("GET /v1/echo/a", 200),
            ("GET /nowhere", 404),
            ("PUT /v1/echo/a", 405),
            ("GET /v1/echo/a?nothing=1", 400),
            ("GET /v1/echo/%FF", 400),
            ("GET /v1/sleep?seconds=30", 504),
            ("HEAD /v1/echo/a", 200),
            ("OPTIONS /v1/echo/a", 204),
            ("GET /healthz", 200),
        ]:
            connection.send(f"{request} HTTP/1.1")
            assert connection.answer(request.partition(" ")[0]).status == status, request
        connection.send("GET /v1/echo/b HTTP/1.1")
        assert connection.answer().json()["text"] == "b"


def test_requests_that_are_sent_ahead_are_answered_in_their_order(rest: RestProcess) -> None:
    with Connection(rest) as connection:
        sent = [f"GET /v1/echo/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n" for number in range(20)]
        sent[3] = "GET /v1/sleep?seconds=0.3 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        sent[5] = 'POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n{"text": "5"}'
        connection.socket.sendall("".join(sent).encode())
        answers = [connection.answer() for _ in sent]
    assert [answer.status for answer in answers] == [200] * 20
    assert [answer.json()["text"] for answer in answers] == ["" if number == 3 else str(number) for number in range(20)]


def test_an_upgrade_to_another_protocol_is_ignored(rest: RestProcess) -> None:
    for offered in ("h2c", "websocket"):  # as `curl --http2` and a page would offer them
        with Connection(rest) as connection:
            connection.send("GET /v1/echo/a HTTP/1.1", f"Upgrade: {offered}", "Connection: Upgrade")
            answer = connection.answer()
            assert (answer.status, answer.json()["text"]) == (200, "a")


def test_many_upgrades_to_another_protocol_are_ignored_too(rest: RestProcess) -> None:
    with Connection(rest) as connection, ThreadPoolExecutor() as pool:
        request = b"GET /v1/echo/a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        sending = pool.submit(connection.socket.sendall, request * 3_000)
        assert [connection.answer().status for _ in range(3_000)] == [403] * 3_000  # it is not known as `a`
        sending.result()


def test_head_is_get_without_the_body(rest: RestProcess) -> None:
    for path in ("/v1/echo/a", "/healthz", "/openapi.json", "/nowhere"):
        got, head = (rest.request(verb, path) for verb in ("GET", "HEAD"))
        assert (head.status, head.body) == (got.status, b"")
        for name in ("Content-Type", "Content-Length"):
            assert head.headers[name] == got.headers[name]
    assert rest.request("HEAD", "/v1/messages").status == 405


def test_options_returns_the_allowed_verbs(rest: RestProcess) -> None:
    answer = rest.request("OPTIONS", "/v1/messages")
    assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", "OPTIONS, POST")
    assert answer.headers["Accept-Post"] == "application/json"
    answer = rest.request("OPTIONS", "/v1/echo/a")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "Accept-Post" not in answer.headers
    answer, post = (rest.request(verb, "/nowhere") for verb in ("OPTIONS", "POST"))
    assert (answer.status, answer.refusal.message) == (post.status, post.refusal.message)
    assert rest.request("OPTIONS", "/v1/%FF").status == 400
