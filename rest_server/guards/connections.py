"""Bound how long clients take to send requests and to read answers, and how much they send before and after them.

uvicorn has no such bounds. `guards/origins.py` and `bodies.py` bound the requests that it passes on.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from dataclasses import dataclass, field
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rest_server.headers import HEADER_BYTES

HEADER_SECONDS = 10.0
"""From the start of a connection or a request to the end of its headers, or the time of a whole request if less."""

LEAST_DRAINED_BYTES = 1024 * 1024
"""A connection reads at least this much of a body that comes after its answer, also if `body_bytes` is less."""

MOST_UNREAD_BYTES = 64 * 1024 * 1024
"""Of all answers that clients have not read yet. Above it, the connection that has waited longest is closed."""

LINGER_SECONDS = 2.0
"""For a client to end its request after it was answered that the request took too long."""


LONGEST_URL = 2 * HEADER_BYTES - 1
"""Bytes of a URL that httptools can parse, as its offsets have 16 bits. `guards/origins.py` allows less."""

_OTHER_PROTOCOL = (b"upgrade", b"connection", b"http2-settings")


class _Parser:
    """httptools' parser, except that it ignores offers of another protocol.

    A server may answer in HTTP/1.1 (RFC 9110, 7.8), and some clients offer HTTP/2 with their first request. httptools
    then takes all that follows the head, also the body, for the other protocol. So the head is parsed again without
    the offer, and then the rest.
    """

    def __init__(self, connection: BoundedConnection) -> None:
        self._connection = connection
        self._parser = _new_parser(connection)

    def feed_data(self, data: bytes) -> None:
        # Not by recursion: thousands of such requests can come in one piece.
        while data:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                if self.get_method() == b"CONNECT":
                    raise httptools.HttpParserError("this is not a proxy") from offer
                head = self._connection.head_without_offer()
                self._parser = _new_parser(self._connection)
                data = head + data[offer.args[0] :]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def _new_parser(connection: BoundedConnection) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    # As in uvicorn: data after a request that closes the connection is ignored.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


@dataclass(eq=False)
class Connections:
    """The connections of one server, and their bounds."""

    seconds: float
    """For a client to send its request, and from one part of its answer that it takes to the next."""
    body_bytes: int
    """Of a body that comes after its answer. It is read and discarded, so that a client that sends all of its body
    before it reads gets the answer; after these bytes the connection is closed."""
    most: int
    """One more connection closes the one that has been idle for the longest time."""
    idle: dict[BoundedConnection, None] = field(default_factory=dict)
    """Those without a request whose headers have come, in the order in which they became idle."""
    unread: dict[BoundedConnection, None] = field(default_factory=dict)
    """Those whose client does not take its answer as fast as it comes, the oldest first."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed when a request does not come to its end, or its answer is not taken."""

    _request_due: asyncio.TimerHandle | None = None
    _reading_due: asyncio.TimerHandle | None = None
    _is_in_headers = False
    _has_progress = False
    _idle_bytes = 0
    _drained_bytes = 0
    _has_unread_answer = False

    def __init__(self, all_connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._all = all_connections
        self.parser = _Parser(self)  # type: ignore[assignment]  # it has all methods that uvicorn calls

    def head_without_offer(self) -> bytes:
        """Return the head of the present request without the headers that offer another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] not in _OTHER_PROTOCOL]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            lines.append(b"connection: close")
        return b"\r\n".join([*lines, b"", b""])

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._all.idle[self] = None
        if len(self.connections) > self._all.most:
            longest_idle = next(iter(self._all.idle))
            del self._all.idle[longest_idle]
            longest_idle.transport.abort()
        self._expect_request(min(HEADER_SECONDS, self._all.seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.idle.pop(self, None)
        self._all.unread.pop(self, None)
        self._expect_request(None)
        self._expect_reading(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_headers = self._has_progress = True
        self._drained_bytes = 0
        self._expect_request(min(HEADER_SECONDS, self._all.seconds))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Ignore trailers: uvicorn would add them to the headers, which have been checked by then."""
        if self._is_in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the head is parsed again
        self._is_in_headers = False
        self._all.idle.pop(self, None)
        self._expect_request(self._all.seconds + LINGER_SECONDS)
        # uvicorn would answer a longer URL in plain text; `guards/origins.py` refuses the rest by its length.
        self.url = self.url[:LONGEST_URL]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_progress = True
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > max(self._all.body_bytes, LEAST_DRAINED_BYTES):
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._expect_request(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin the next request only when the client has read this answer.

        So a client that reads nothing has one answer in memory, and does not count as a running call.
        """
        if self.flow.write_paused and not self.transport.is_closing():
            self._has_unread_answer = True
            self.flow.pause_reading()
            return
        is_idle = not self.pipeline
        super().on_response_complete()
        if is_idle and not self.transport.is_closing():
            self._all.idle[self] = None

    def data_received(self, data: bytes) -> None:
        """Count bytes that neither begin a request nor are of a body: headers, and what can be around chunks."""
        self._has_progress = False
        super().data_received(data)
        self._idle_bytes = 0 if self._has_progress else self._idle_bytes + len(data)
        if self._idle_bytes > 2 * HEADER_BYTES:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for the client, which reads its answer more slowly than it is written."""
        super().pause_writing()
        self._expect_reading(self._bytes_left())
        self._all.unread[self] = None
        unread_bytes = sum(connection.transport.get_write_buffer_size() for connection in self._all.unread)
        while unread_bytes > MOST_UNREAD_BYTES:
            oldest = next(iter(self._all.unread))
            del self._all.unread[oldest]
            unread_bytes -= oldest.transport.get_write_buffer_size()
            oldest.transport.abort()

    def resume_writing(self) -> None:
        self._expect_reading(None)
        self._all.unread.pop(self, None)
        super().resume_writing()
        if self._has_unread_answer:
            self._has_unread_answer = False
            self.on_response_complete()

    def _expect_request(self, seconds: float | None) -> None:
        if self._request_due is not None:
            self._request_due.cancel()
        self._request_due = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _expect_reading(self, bytes_left: int | None) -> None:
        if self._reading_due is not None:
            self._reading_due.cancel()
        self._reading_due = (
            None if bytes_left is None else self.loop.call_later(self._all.seconds, self._check_reading, bytes_left)
        )

    def _check_reading(self, bytes_left: int) -> None:
        """Close the connection if the client has read nothing since; however slow, it may go on."""
        left = self._bytes_left()
        if left < bytes_left:
            self._expect_reading(left)
        else:
            self.transport.abort()

    def _bytes_left(self) -> int:
        """Return the bytes that the client has not read, in this process and in the system."""
        # The buffer of this process alone shrinks in large steps, and looks unread for long.
        in_the_system = fcntl.ioctl(self.transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(in_the_system, sys.byteorder)
