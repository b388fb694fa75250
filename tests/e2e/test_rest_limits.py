"""More than library-rest takes, clients that break off or never come to an end, and how it stops."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from signal import SIGCONT, SIGSTOP
from typing import Any

import grpc
import pytest

from tests.support.processes import ROOT, Servers
from tests.support.rest import ANSWER_SECONDS, Answer, RestProcess, RestServers, refusal_in
from tests.support.stores import FreshDatabases
from tests.support.transcoding.behaviours import ECHO, RULES, Behaviours
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually

GATHER = Rule('post: "/v1/gathered" body: "*"', takes="stream Everything", gives="Several", method="Gather")
TALK = Rule('post: "/v1/talk" body: "*"', takes="stream Everything", method="Talk")
FLOOD = Rule('get: "/v1/flood"', gives="stream Everything", method="Flood")
WAIT_AND_TALK = Rule('post: "/v1/talk:late" body: "*"', takes="stream Everything", method="WaitAndTalk")

HEADER_BYTES = 32 * 1024
"""As the README says."""

SOON = 15.0
"""Seconds; more than anything takes that does not wait for something, on a busy machine. What waits has 20 or more."""

IN_CHUNKS = b"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

NDJSON = {"Content-Type": "application/x-ndjson"}


class Connection:
    """A connection on which bytes are sent as they are, and answers read one after another."""

    def __init__(self, rest: RestProcess, receive_buffer: int | None = None) -> None:
        host, _, port = rest.address.rpartition(":")
        self.socket = socket.socket()
        self.socket.settimeout(ANSWER_SECONDS)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, int(port)))
        self._answers = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self.socket.close()

    def send(self, *lines: str, host: str = "localhost", body: bytes = b"") -> None:
        """Send the head of a request, Host included, and perhaps a body."""
        self.socket.sendall("\r\n".join([lines[0], f"Host: {host}", *lines[1:], "", ""]).encode("latin-1") + body)

    def answer(self, verb: str = "GET") -> Answer:
        """Read one answer."""
        status_line = self._answers.readline()
        assert status_line, "the connection was closed"
        status = int(status_line.split()[1])
        headers = http.client.parse_headers(self._answers)
        if verb == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if headers["Transfer-Encoding"] == "chunked":
            return Answer(status, headers, b"".join(iter(self._chunk, b"")))
        return Answer(status, headers, self._answers.read(int(headers["Content-Length"])))

    def _chunk(self) -> bytes:
        chunk = self._answers.read(int(self._answers.readline(), 16) + 2)
        return chunk[:-2]

    def reset(self) -> None:
        """Break off as a client does that is killed: nothing that is under way is waited for."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._answers.close()
        self.socket.close()

    def seconds_until_closed(self, sending: Callable[[], bytes] = bytes) -> float:
        """Go on sending, and say after how many seconds the server has closed the connection."""
        begin = time.monotonic()
        self.socket.settimeout(0.05)
        while time.monotonic() < begin + ANSWER_SECONDS:
            try:
                if more := sending():
                    self.socket.sendall(more)
                if not self.socket.recv(65536):
                    return time.monotonic() - begin
            except TimeoutError:
                continue
            except OSError:
                return time.monotonic() - begin
        raise AssertionError("the connection stays open")


Start = Callable[..., RestProcess]


@pytest.fixture(scope="module")
def behaviours() -> Behaviours:
    return Behaviours(Contract([*RULES, GATHER, TALK, FLOOD, WAIT_AND_TALK]))


@pytest.fixture(scope="module")
def server(behaviours: Behaviours) -> Iterator[TranscodedServer]:
    everything = behaviours.contract.message_type("Everything")

    def flood(_requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            while context.is_active():
                yield everything(text="x" * 60_000)
        finally:
            behaviours.left.set()

    def wait_and_talk(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for _ in requests:
            pass
        if not context.is_active():
            behaviours.left.set()
        yield from ()

    by_method = {**behaviours.by_method(), "Flood": flood, "WaitAndTalk": wait_and_talk}
    started = TranscodedServer(behaviours.contract, behaviours=by_method)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def nothing_seen_yet(server: TranscodedServer, behaviours: Behaviours) -> None:
    server.take_calls()
    behaviours.tick.clear()
    behaviours.left.clear()


def assert_nothing_went_wrong(rest: RestProcess) -> None:
    """Its log has no traceback, and nothing that it calls an error."""
    assert "Traceback" not in rest.log_tail()
    errors = [event["event"] for event in rest.log_events() if event["level"] in ("error", "critical")]
    # uvicorn says how many calls outlive the grace, which is what such a test is about.
    assert [error for error in errors if "graceful shutdown exceeded" not in error] == []


@pytest.fixture
def start(rest_servers: RestServers, server: TranscodedServer) -> Iterator[Start]:
    """Starts a library-rest with settings of its own; none may have logged a fault by the end of the test."""
    started: list[RestProcess] = []

    def start(**settings: str) -> RestProcess:
        started.append(rest_servers.start([server.address], **settings))
        return started[-1]

    yield start
    for rest in started:
        assert_nothing_went_wrong(rest)


@pytest.fixture(scope="module")
def rest_of_all(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address], BODY_BYTES="1000", STREAM_BYTES="5000", TIMEOUT="1")


@pytest.fixture
def rest(rest_of_all: RestProcess) -> Iterator[RestProcess]:
    """One for all tests that need nothing special: bodies of 1,000 bytes, streams of 5,000, and 1 second."""
    yield rest_of_all
    assert_nothing_went_wrong(rest_of_all)


def serves(rest: RestProcess) -> bool:
    return rest.request("GET", "/v1/echo/a").status == 200


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def text_of(size: int) -> bytes:
    """A body of so many bytes."""
    return json.dumps({"text": "x" * (size - len('{"text": ""}'))}).encode()


# --- bodies ---


def test_a_body_may_have_as_many_bytes_as_the_setting_says(rest: RestProcess) -> None:
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


# --- headers and paths ---


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
def test_what_has_no_end_is_cut_off(rest: RestProcess, begin: bytes, more: bytes) -> None:
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


def test_a_trailer_is_no_header(rest: RestProcess, server: TranscodedServer) -> None:
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
def test_what_is_no_http_is_refused(rest: RestProcess, request_line: str) -> None:
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


# --- many calls ---


def test_a_call_too_many_is_refused_at_once(start: Start, behaviours: Behaviours) -> None:
    rest = start(CONCURRENT_CALLS="2")
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(rest.request, "GET", "/v1/sleep?seconds=5") for _ in range(2)]
        eventually(lambda: len(behaviours.seconds_given) >= 2, "both calls run")
        answer = rest.request("GET", "/v1/echo/a")  # had it waited for a place, it would have got one
        assert (answer.status, answer.refusal.reason, answer.headers["Retry-After"]) == (429, "TOO_MANY_CALLS", "1")
        # What it says of itself is not a call.
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
def test_the_place_of_a_client_that_broke_off_is_given_back(start: Start, sent: bytes) -> None:
    rest = start(CONCURRENT_CALLS="1")
    for end in (Connection.reset, Connection.__exit__):
        connection = Connection(rest)
        connection.socket.sendall(sent)
        eventually(lambda: rest.request("GET", "/v1/echo/a").status == 429, "it has the only place")
        end(connection)
        begin = time.monotonic()
        eventually(lambda: serves(rest), "its place is given back")
        assert time.monotonic() - begin < SOON


def test_a_client_that_does_not_take_its_answer_is_let_go(start: Start, behaviours: Behaviours) -> None:
    rest = start(CONCURRENT_CALLS="1", TIMEOUT="1")
    with Connection(rest, receive_buffer=4096) as connection:
        connection.send("GET /v1/flood HTTP/1.1")
        eventually(lambda: rest.request("GET", "/v1/echo/a").status == 429, "it has the only place")
        assert behaviours.left.wait(1 + SOON), "the target goes on"
        eventually(lambda: serves(rest), "its place is given back")


def test_requests_behind_an_answer_that_is_not_taken_have_no_place(rest_servers: RestServers) -> None:
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


def test_a_client_that_is_slow_is_not_let_go(start: Start) -> None:
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


# --- who may ask ---


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
def test_on_a_loopback_address_a_loopback_name_has_to_be_asked_for(rest: RestProcess, host: str, status: int) -> None:
    for path in ("/v1/echo/a", "/healthz", "/", "/nowhere"):
        answer = asked_for(rest, host, f"GET {path}")
        if status == 403:
            assert (answer.status, answer.refusal.reason) == (403, "HOST_REFUSED")
        else:
            assert answer.status == (404 if path == "/nowhere" else 200)


def test_a_name_that_is_allowed_may_be_asked_for(start: Start) -> None:
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
def test_no_page_of_another_origin_may_change_anything(
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


def test_a_browser_is_told_nothing_about_other_origins_unless_set(rest: RestProcess) -> None:
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
    told = b""
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
        told += answer.body + answer.headers.as_bytes()
    assert {call.metadata.get("authorization") for call in server.take_calls()} == {f"Bearer {secret}"}
    for unfit in (f"Bearer {secret}\xe9", f"Bearer\t{secret}"):
        answer = asked_for(rest, "localhost", "GET /v1/echo/a", f"Authorization: {unfit}")
        assert list(answer.refusal.fields) == ["authorization"]
        told += answer.body
    assert secret not in told.decode()
    assert "answered" in rest.log_tail()
    assert secret not in rest.log_tail(1_000_000)


# --- connections ---


def test_a_connection_is_kept_whatever_the_answer(rest: RestProcess) -> None:
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


def test_an_offer_of_another_protocol_is_not_taken(rest: RestProcess) -> None:
    for offered in ("h2c", "websocket"):  # as `curl --http2` and a page would offer them
        with Connection(rest) as connection:
            connection.send("GET /v1/echo/a HTTP/1.1", f"Upgrade: {offered}", "Connection: Upgrade")
            answer = connection.answer()
            assert (answer.status, answer.json()["text"]) == (200, "a")


def test_many_offers_of_another_protocol_are_not_taken_either(rest: RestProcess) -> None:
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


def test_options_is_told_which_verbs_there_are(rest: RestProcess) -> None:
    answer = rest.request("OPTIONS", "/v1/messages")
    assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", "OPTIONS, POST")
    assert answer.headers["Accept-Post"] == "application/json"
    answer = rest.request("OPTIONS", "/v1/echo/a")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "Accept-Post" not in answer.headers
    answer, post = (rest.request(verb, "/nowhere") for verb in ("OPTIONS", "POST"))
    assert (answer.status, answer.refusal.message) == (post.status, post.refusal.message)
    assert rest.request("OPTIONS", "/v1/%FF").status == 400


# --- stopping ---


def test_a_call_that_runs_comes_to_its_end_and_no_other_begins(start: Start, behaviours: Behaviours) -> None:
    rest = start()
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool, Connection(rest) as idle:
        idle.send("GET /v1/echo/a HTTP/1.1")
        assert idle.answer().status == 200
        running = pool.submit(rest.request, "GET", "/v1/sleep?seconds=1.5")
        eventually(lambda: behaviours.seconds_given != [], "the call runs")
        begin = time.monotonic()
        status = pool.submit(rest.stop)
        assert idle.seconds_until_closed() < 1  # waits for nothing
        host, _, port = rest.address.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        assert running.result().status == 200
        assert status.result() == 0
        assert 1 < time.monotonic() - begin < 1 + SOON


def test_a_call_that_outlives_the_grace_is_told_so(start: Start, behaviours: Behaviours) -> None:
    rest = start(GRACE="1")
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(rest.request, "GET", "/v1/sleep?seconds=20")
        eventually(lambda: behaviours.seconds_given != [], "the call runs")
        begin = time.monotonic()
        assert rest.stop() == 0
        assert time.monotonic() - begin < 1 + SOON
        answer = running.result()
    assert (answer.status, answer.refusal.reason) == (503, "STOPPING")
    assert behaviours.left.wait(SOON), "the target goes on"


def test_a_stream_that_outlives_the_grace_ends_with_the_reason(start: Start, behaviours: Behaviours) -> None:
    rest = start(GRACE="1")
    behaviours.tick.set()
    with rest.answering("GET", "/v1/ticks") as response:
        assert json.loads(response.readline())["int32Value"] == 1
        with ThreadPoolExecutor() as pool:
            status = pool.submit(rest.stop)
            last = response.read().splitlines()[-1]
            assert status.result() == 0
    assert refusal_in(json.loads(last)).reason == "STOPPING"


def test_a_port_that_is_taken_is_told_in_one_sentence(start: Start, server: TranscodedServer) -> None:
    taken = start().address
    command = [sys.executable, "-m", "rest_server", "serve", "--listen", taken, "--target", server.address]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    (told,) = ended.stderr.splitlines()
    assert told.startswith(f"library-rest: cannot listen on {taken}: ")


# --- targets ---


@contextmanager
def frozen(server: Any) -> Iterator[None]:
    """It has its connections, and says nothing on them."""
    server.send(SIGSTOP)
    try:
        yield
    finally:
        server.send(SIGCONT)


def test_a_target_that_is_frozen_holds_up_nobody_else(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend_url = databases.migrated("frontend", "sqlite")
    frontend = servers.start("frontend", frontend_url, ADMIN_TARGET=admin.address)
    rest = rest_servers.start([frontend.address, admin.address], TIMEOUT="1", CONTRACT_INTERVAL="0.5")
    with frozen(admin), ThreadPoolExecutor() as pool:
        waiting = [pool.submit(seconds_of, rest, "/admin/v1/books") for _ in range(5)]
        for _ in range(5):
            seconds, answer = seconds_of(rest, "/v1/books")
            assert answer.status == 200
            assert seconds < 1
            time.sleep(0.2)
        for call in waiting:
            seconds, answer = call.result()
            assert (answer.status, answer.refusal.reason) == (504, "DEADLINE_EXCEEDED")
            assert 1 <= seconds < 1 + SOON
        # Its contract is known.
        assert rest.request("GET", "/healthz").status == 200
    eventually(lambda: rest.request("GET", "/admin/v1/books").status == 200, "it answers again")
    assert_nothing_went_wrong(rest)


def seconds_of(rest: RestProcess, path: str) -> tuple[float, Answer]:
    begin = time.monotonic()
    answer = rest.request("GET", path)
    return time.monotonic() - begin, answer


ROWS = 2_000


def row(number: int) -> Mapping[str, Any]:
    """A row as `library import` would send it."""
    isbn = f"978{number:09d}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(isbn))
    return {
        "line": number,
        "book": {
            "title": f"Title no. {number} “of” many, — åäö 書",
            "authors": ["A. Author", "B. Author"],
            "isbn": f"{isbn}{-weighted % 10}",
            "publisher": "A Publisher",
            "category": "Fiction",
            "publishedYear": 1990,
            "copies": 2,
        },
    }


def test_books_are_imported_by_the_thousand_and_a_bad_line_is_named(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    rest = rest_servers.start([admin.address])
    lines = [json.dumps(row(number)) for number in range(1, ROWS + 1)]
    answer = rest.request("POST", "/admin/v1/books:import", "\n".join(lines), NDJSON)
    assert answer.status == 200, answer.body[:1000]
    outcomes = answer.json()["outcomes"]
    assert [outcome["line"] for outcome in outcomes] == list(range(1, ROWS + 1))
    assert {outcome["result"] for outcome in outcomes} == {"IMPORT_RESULT_ADDED"}
    listed = rest.request("GET", "/admin/v1/books?page_size=1000&query=1500").json()["books"]
    assert [book["title"] for book in listed] == [row(1500)["book"]["title"]]
    lines[1_499] = '{"book": {"title": "No end"'
    answer = rest.request("POST", "/admin/v1/books:import", "\n".join(lines), NDJSON)
    assert (answer.status, answer.refusal.reason) == (400, "BODY_INVALID")
    assert "line 1500" in str(answer.refusal.message)
    lines[1_499] = '{"book": {"title": "No end", "pages": "many"}}'
    answer = rest.request("POST", "/admin/v1/books:import", "\n".join(lines), NDJSON)
    assert answer.status == 400
    assert list(answer.refusal.fields) == ["line 1500: book.pages"]
    assert_nothing_went_wrong(rest)
