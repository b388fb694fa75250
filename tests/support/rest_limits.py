"""What tests of the bounds of library-rest share: rules, raw connections, and checks."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable

from tests.support.rest import ANSWER_SECONDS, Answer, RestProcess
from tests.support.transcoding.contracts import Rule

GATHER = Rule('post: "/v1/gathered" body: "*"', takes="stream Everything", returns="Several", method="Gather")
TALK = Rule('post: "/v1/talk" body: "*"', takes="stream Everything", method="Talk")
FLOOD = Rule('get: "/v1/flood"', returns="stream Everything", method="Flood")
WAIT_AND_TALK = Rule('post: "/v1/talk:late" body: "*"', takes="stream Everything", method="WaitAndTalk")

HEADER_BYTES = 32 * 1024
"""As the README has it."""

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
        """Go on sending, and return after how many seconds the server has closed the connection."""
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


def assert_nothing_went_wrong(rest: RestProcess) -> None:
    """Its log has no traceback, and nothing that it calls an error."""
    assert "Traceback" not in rest.log_tail()
    errors = [event["event"] for event in rest.log_events() if event["level"] in ("error", "critical")]
    # uvicorn logs how many calls outlive the grace, which is what such a test is about.
    assert [error for error in errors if "graceful shutdown exceeded" not in error] == []


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def text_of(size: int) -> bytes:
    """A body of `size` bytes."""
    return json.dumps({"text": "x" * (size - len('{"text": ""}'))}).encode()
