"""Requests that would rather speak another protocol are done as they are, and whole."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from tests.support.rest import RestProcess, RestServers
from tests.support.transcoding.behaviours import ECHO, SEND
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.server import TranscodedServer

WISH = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
BODY = '{"text": "all of it"}'
HEAD = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{WISH}Content-Length: {len(BODY)}\r\n\r\n"
NEXT = "GET /v1/echo/next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[TranscodedServer]:
    server = TranscodedServer(Contract([ECHO, SEND]))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address])


def answers_to(rest: RestProcess, segments: Sequence[str]) -> str:
    """What is answered until the connection is closed, to segments that are sent one by one."""
    host, _, port = rest.address.rpartition(":")
    with closing(socket.create_connection((host, int(port)), timeout=100)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for segment in segments:
            connection.sendall(segment.encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@pytest.mark.parametrize(
    "segments",
    [
        pytest.param([HEAD + BODY + NEXT], id="in one segment"),
        pytest.param([HEAD, BODY, NEXT], id="the body later"),
        pytest.param([HEAD[:70], HEAD[70:] + BODY[:5], BODY[5:] + NEXT], id="in pieces"),
    ],
)
def test_the_body_of_an_upgrade_to_http_2_is_read_as_a_body(
    server: TranscodedServer, rest: RestProcess, segments: list[str]
) -> None:
    server.take_calls()
    answers = answers_to(rest, segments)
    assert re.findall(r"HTTP/1\.1 (\d+)", answers) == ["200", "200"]
    texts = [request.text for call in server.take_calls() for request in call.requests]  # type: ignore[attr-defined]
    assert texts == ["all of it", "next"]


def test_a_body_that_looks_like_a_request_is_not_one(server: TranscodedServer, rest: RestProcess) -> None:
    inner = "GET /v1/echo/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    server.take_calls()
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{WISH}Content-Length: {len(inner)}\r\n\r\n"
    answers = answers_to(rest, [head, inner, NEXT])
    assert re.findall(r"HTTP/1\.1 (\d+)", answers) == ["400", "200"]
    assert [request.text for call in server.take_calls() for request in call.requests] == ["next"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_a_request_without_a_body_is_answered(rest: RestProcess, protocol: str) -> None:
    head = f"GET /v1/echo/a HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: {protocol}\r\n\r\n"
    assert answers_to(rest, [head]).startswith("HTTP/1.1 200 OK\r\n")


def test_no_tunnel_is_made(rest: RestProcess) -> None:
    assert answers_to(rest, ["CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n"]).startswith("HTTP/1.1 400 ")
