"""Requests with two possible ends, slow requests, and rebound host names reach no target."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.support.rest import RestProcess, RestServers
from tests.support.transcoding.behaviours import ECHO, SEND
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually

SMUGGLED = b"GET /v1/echo/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'{"text": "all of it"}'
SECONDS = 100.0
TIMEOUT = 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[TranscodedServer]:
    server = TranscodedServer(Contract([ECHO, SEND]))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address], TIMEOUT=str(TIMEOUT))


def connected(rest: RestProcess) -> socket.socket:
    host, _, port = rest.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=SECONDS)


def answers_to(rest: RestProcess, sent: bytes) -> bytes:
    """What is answered until the connection is closed."""
    with closing(connected(rest)) as connection:
        connection.sendall(sent)
        with suppress(OSError):  # reset, as not all of it was read
            return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def post(*headers: bytes, body: bytes) -> bytes:
    lines = [b"POST /v1/messages HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *headers, b"", b""]
    return b"\r\n".join(lines) + body


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
IN_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(post(LENGTH, CHUNKED, body=IN_CHUNKS + SMUGGLED), id="a length and chunks"),
        pytest.param(post(CHUNKED, LENGTH, body=IN_CHUNKS + SMUGGLED), id="chunks and a length"),
        pytest.param(post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED), id="no chunk in a length"),
        pytest.param(post(LENGTH, b"Content-Length: 0", body=BODY + SMUGGLED), id="two lengths"),
        pytest.param(post(b"Content-Length: 0", LENGTH, body=BODY + SMUGGLED), id="two lengths, the less first"),
        pytest.param(post(b"Content-Length: 0, %d" % len(BODY), body=SMUGGLED), id="two lengths in one"),
        pytest.param(post(b"Content-Length: +0", body=SMUGGLED), id="a length with a sign"),
        pytest.param(post(b"Content-Length: -1", body=SMUGGLED), id="a length below nothing"),
        pytest.param(post(b"Content-Length: 0x0", body=SMUGGLED), id="a length of another base"),
        pytest.param(post(b"Content-Length: 18446744073709551616", body=SMUGGLED), id="a length past 64 bits"),
        pytest.param(post(b"Content-Length : 0", body=SMUGGLED), id="a blank behind a name"),
        pytest.param(post(b"Transfer-Encoding : chunked", LENGTH, body=BODY + SMUGGLED), id="a blank behind chunks"),
        pytest.param(post(b"Transfer-Encoding: xchunked", LENGTH, body=BODY + SMUGGLED), id="an unknown coding"),
        pytest.param(post(b"Transfer-Encoding: chunked, x", body=IN_CHUNKS + SMUGGLED), id="chunks are not the last"),
        pytest.param(post(b"X: a", b" Content-Length: 0", body=SMUGGLED), id="a folded length"),
        pytest.param(post(b"X: a", b"\t" + CHUNKED, LENGTH, body=BODY + SMUGGLED), id="folded chunks"),
        pytest.param(post(b"Transfer-Encoding:", b" chunked", body=IN_CHUNKS + SMUGGLED), id="a folded value"),
        pytest.param(post(b"X: a\nContent-Length: 0", body=SMUGGLED), id="a bare line feed"),
        pytest.param(post(b"X: a\rContent-Length: 0", body=SMUGGLED), id="a bare carriage return"),
        pytest.param(post(b"X: a\0b", LENGTH, body=BODY + SMUGGLED), id="a NUL in a value"),
        pytest.param(post(CHUNKED, body=b"%x\n%s\n0\n\n" % (len(BODY), BODY) + SMUGGLED), id="chunks with line feeds"),
        pytest.param(post(CHUNKED, body=b"0x0\r\n\r\n" + SMUGGLED), id="a chunk of another base"),
        pytest.param(post(CHUNKED, body=b"-1\r\n\r\n" + SMUGGLED), id="a chunk below nothing"),
        pytest.param(post(CHUNKED, body=b"2\r\n{}0\r\n\r\n" + SMUGGLED), id="a chunk that is longer than announced"),
        pytest.param(post(CHUNKED, body=b"10000000000000000\r\n\r\n" + SMUGGLED), id="a chunk past 64 bits"),
    ],
)
def test_a_request_with_two_ends_is_refused_and_the_bytes_after_it_are_ignored(
    server: TranscodedServer, rest: RestProcess, sent: bytes
) -> None:
    server.take_calls()
    answered = answers_to(rest, sent)
    assert [text for call in server.take_calls() for text in map(str, call.requests) if "smuggled" in text] == []
    assert re.findall(rb"HTTP/1\.1 (\d+)", answered) in ([b"400"], []), answered
    assert rest.request("GET", "/v1/echo/a").status == 200


@pytest.mark.parametrize(
    ("request_line", "hosts"),
    [
        ("GET /v1/echo/rebound HTTP/1.1", ["rebound.example"]),
        ("POST /v1/messages HTTP/1.1", ["rebound.example"]),
        ("GET /v1/echo/rebound HTTP/1.1", ["localhost.rebound.example:80"]),
        ("GET /v1/echo/rebound HTTP/1.1", ["localhost", "rebound.example"]),
        ("GET /v1/echo/rebound HTTP/1.1", ["rebound.example", "localhost"]),
        ("GET /v1/echo/rebound HTTP/1.1", ["localhost@rebound.example"]),
        ("GET /v1/echo/rebound HTTP/1.1", ["localhost, rebound.example"]),
        ("GET /v1/echo/rebound HTTP/1.1", []),
        ("GET /v1/echo/rebound HTTP/1.0", []),
    ],
)
def test_a_name_that_was_rebound_reaches_nothing(
    server: TranscodedServer, rest: RestProcess, request_line: str, hosts: list[str]
) -> None:
    server.take_calls()
    lines = [request_line, *(f"Host: {host}" for host in hosts), "Content-Length: 0", "Connection: close", "", ""]
    answered = answers_to(rest, "\r\n".join(lines).encode())
    assert re.findall(rb"HTTP/1\.1 (\d+)", answered) in ([b"400"], [b"403"]), answered
    assert not server.take_calls()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["headers", "body"])
def test_others_are_served_while_many_clients_send_byte_by_byte(rest: RestProcess, where: str) -> None:
    """Slowloris, with bytes that keep coming: each client is cut off after its time all the same."""
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    begin = head + (b"X: " if where == "headers" else b'\r\n{"text": "')
    slow = [connected(rest) for _ in range(100)]
    for connection in slow:
        connection.sendall(begin)
        connection.setblocking(False)

    def one_more_byte() -> bool:
        assert rest.request("GET", "/v1/echo/a").status == 200
        for connection in list(slow):
            if _is_closed(connection):
                connection.close()
                slow.remove(connection)
        return not slow

    served_meanwhile = rest.request("GET", "/v1/echo/a").status
    assert len(slow) == 100
    assert served_meanwhile == 200
    eventually(one_more_byte, "all slow clients are cut off")


def _is_closed(connection: socket.socket) -> bool:
    """Send a byte more; whether the server has hung up."""
    try:
        connection.send(b"x")
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
