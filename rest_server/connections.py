"""Connections whose clients must send their requests soon, and not endlessly, and take their answers.

uvicorn bounds none of it; after it `rest_server.guard` and `rest_server.bodies` bound what came.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rest_server.headers import HEADER_BYTES

HEADER_SECONDS = 10.0
"""From a connection's or a request's first byte to the end of its headers, unless requests have less in all."""

LINGER_SECONDS = 2.0
"""What a client has, once it was told that its request took too long, to come to its end."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed when a request does not come to its end, or its answer is not taken."""

    seconds = 30.0
    """What a client has to send its request, and to go on taking its answer."""

    _request_due: asyncio.TimerHandle | None = None
    _reading_due: asyncio.TimerHandle | None = None
    _is_in_headers = False
    _has_come_further = False
    _bytes_for_nothing = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request has to come."""
        super().connection_made(transport)
        self._expect_request(min(HEADER_SECONDS, self.seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for."""
        self._expect_request(None)
        self._expect_reading(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Another request begins."""
        super().on_message_begin()
        self._is_in_headers = self._has_come_further = True
        self._expect_request(min(HEADER_SECONDS, self.seconds))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take headers; what stands behind a body in chunks would be added to them when they have been looked at."""
        if self._is_in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The rest is for who reads the body, if anybody does."""
        self._is_in_headers = False
        self._expect_request(self.seconds + LINGER_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The body goes on."""
        self._has_come_further = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has come."""
        self._expect_request(None)
        super().on_message_complete()

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
        self._expect_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has taken it."""
        self._expect_reading(None)
        super().resume_writing()

    def _expect_request(self, seconds: float | None) -> None:
        if self._request_due is not None:
            self._request_due.cancel()
        self._request_due = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _expect_reading(self, bytes_left: int | None) -> None:
        if self._reading_due is not None:
            self._reading_due.cancel()
        self._reading_due = (
            None if bytes_left is None else self.loop.call_later(self.seconds, self._look_at_reading, bytes_left)
        )

    def _look_at_reading(self, bytes_left: int) -> None:
        """However slow it is: it has to take some."""
        left = self.transport.get_write_buffer_size()
        if left < bytes_left:
            self._expect_reading(left)
        else:
            self.transport.abort()
