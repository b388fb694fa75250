"""Connections whose clients must send their requests soon, and not endlessly, and take their answers.

uvicorn bounds none of it; after it `rest_server.guard` and `rest_server.bodies` bound what came.
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
"""From a connection's or a request's first byte to the end of its headers, unless requests have less in all."""

LEAST_DRAINED_BYTES = 1024 * 1024
"""A connection takes at least this much of a body that comes behind its answer, whatever its `body_bytes`."""

MOST_UNREAD_BYTES = 64 * 1024 * 1024
"""Of all answers that wait in this process until their clients take them. Over it the oldest of them is dropped."""

LINGER_SECONDS = 2.0
"""What a client has, once it was told that its request took too long, to come to its end."""


LONGEST_URL = 2 * HEADER_BYTES - 1
"""Bytes of a URL that httptools can parse: its offsets have 16 bits. It is more than the guard lets through."""

_OTHER_PROTOCOL = (b"upgrade", b"connection", b"http2-settings")


class _Parser:
    """httptools' parser, but that a request to change the protocol is a request like others.

    RFC 9110 (7.8) lets a server go on in HTTP/1.1, and some clients ask for HTTP/2 with their first request, whatever
    it is. httptools takes what follows such a head for the other protocol, the request's body too: so the head is
    parsed again without that wish, and then the rest.
    """

    def __init__(self, connection: BoundedConnection) -> None:
        self._connection = connection
        self._parser = _new_parser(connection)

    def feed_data(self, data: bytes) -> None:
        # In a loop, since thousands of such requests may come in one piece.
        while data:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as wish:
                if self.get_method() == b"CONNECT":
                    raise httptools.HttpParserError("this is no proxy") from wish
                head = self._connection.head_without_wish()
                self._parser = _new_parser(self._connection)
                data = head + data[wish.args[0] :]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def _new_parser(connection: BoundedConnection) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    # As uvicorn sets it: what comes behind a request that closes the connection is left alone.
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
    _has_come_further = False
    _bytes_for_nothing = 0
    _drained_bytes = 0
    _has_unread_answer = False

    def __init__(self, all_connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._all = all_connections
        self.parser = _Parser(self)  # type: ignore[assignment]  # it has all that uvicorn asks of one

    def head_without_wish(self) -> bytes:
        """The head of the present request, without what asks for another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] not in _OTHER_PROTOCOL]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            lines.append(b"connection: close")
        return b"\r\n".join([*lines, b"", b""])

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request has to come."""
        super().connection_made(transport)
        self._all.idle[self] = None
        if len(self.connections) > self._all.most:
            longest_idle = next(iter(self._all.idle))
            del self._all.idle[longest_idle]
            longest_idle.transport.abort()
        self._expect_request(min(HEADER_SECONDS, self._all.seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for."""
        self._all.idle.pop(self, None)
        self._all.unread.pop(self, None)
        self._expect_request(None)
        self._expect_reading(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Another request begins."""
        super().on_message_begin()
        self._is_in_headers = self._has_come_further = True
        self._drained_bytes = 0
        self._expect_request(min(HEADER_SECONDS, self._all.seconds))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take headers; what stands behind a body in chunks would be added to them when they have been looked at."""
        if self._is_in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The rest is for who reads the body, if anybody does."""
        if self.parser.should_upgrade():
            return  # it is parsed again
        self._is_in_headers = False
        self._all.idle.pop(self, None)
        self._expect_request(self._all.seconds + LINGER_SECONDS)
        # A longer URL would be answered with a plain text by uvicorn; the guard refuses what is left by its length.
        self.url = self.url[:LONGEST_URL]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The body goes on."""
        self._has_come_further = True
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > max(self._all.body_bytes, LEAST_DRAINED_BYTES):
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has come."""
        if self.parser.should_upgrade():
            return
        self._expect_request(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The connection is idle, unless its next request is there already.

        That is not begun before this answer has been taken: a client that reads nothing has one answer in memory, and
        no place among the calls that run.
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
        """Count what is no request that begins and no body: headers, and what may be around a body in chunks."""
        self._has_come_further = False
        super().data_received(data)
        self._bytes_for_nothing = 0 if self._has_come_further else self._bytes_for_nothing + len(data)
        if self._bytes_for_nothing > 2 * HEADER_BYTES:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client does not take its answer as fast as it is given."""
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
        """It has taken it."""
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
            None if bytes_left is None else self.loop.call_later(self._all.seconds, self._look_at_reading, bytes_left)
        )

    def _look_at_reading(self, bytes_left: int) -> None:
        """However slow it is: it has to take some."""
        left = self._bytes_left()
        if left < bytes_left:
            self._expect_reading(left)
        else:
            self.transport.abort()

    def _bytes_left(self) -> int:
        """What the client has not taken, of ours and of what the system has, which it asks more for in large steps."""
        at_the_system = fcntl.ioctl(self.transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(at_the_system, sys.byteorder)
