"""A client of HTTP/2 that does little but ping."""

from __future__ import annotations

from contextlib import suppress

from tests.support.http2 import DATA, END_STREAM, GOAWAY, PING, Http2Client, frame, headers_of_call


class PingingClient(Http2Client):
    """A connection that answers what it must, and notes the GOAWAY that ends it."""

    def __init__(self, address: str) -> None:
        self.acknowledged = 0
        """Pings that were answered."""
        self.goaway = b""
        """The debug data of the GOAWAY, such as too_many_pings."""
        super().__init__(address)

    def watch_health(self) -> None:
        """Begin a call that has no end: grpc.health.v1.Health/Watch."""
        call = headers_of_call("/grpc.health.v1.Health/Watch", stream=1)
        self._socket.sendall(call + frame(DATA, END_STREAM, 1, b"\0" * 5))

    def ping(self) -> None:
        """Send a ping, if the connection has not ended."""
        with suppress(OSError):
            self._socket.sendall(frame(PING, payload=b"8 octets"))

    def wait_for_acknowledged(self, count: int, seconds: float) -> None:
        """Wait until this number of pings have been answered in all."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.acknowledged >= count or self.has_ended.is_set(), seconds)

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Note answers to pings, and the end."""
        if kind == PING:
            self.acknowledged += 1
        elif kind == GOAWAY:
            self.goaway = payload[8:]
