"""Connections whose clients must send their headers soon, and not endlessly.

uvicorn bounds neither; after it `rest_server.guard` bounds what came whole.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rest_server.headers import HEADER_BYTES

HEADER_SECONDS = 10.0
"""From a connection's or a request's first byte to the end of its headers."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed when a request's headers take too long or become too many."""

    _waiting: asyncio.TimerHandle | None = None
    _unfinished_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request has to come."""
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Another request begins."""
        super().on_message_begin()
        self._unfinished_bytes = 0
        if self._waiting is None:
            self._wait_for_headers()

    def on_headers_complete(self) -> None:
        """The rest is for who reads the body."""
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to headers that have not come to their end."""
        super().data_received(data)
        if self._waiting is not None:
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > 2 * HEADER_BYTES:
                self.transport.abort()

    def _wait_for_headers(self) -> None:
        self._waiting = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self, *_: Any) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.abort()
