"""A client of HTTP/2 that begins calls and resets each at once (rapid reset, CVE-2023-44487)."""

from __future__ import annotations

import struct

from tests.support.http2 import DATA, END_STREAM, GOAWAY, RST_STREAM, Http2Client, frame, headers_of_call

CANCEL = struct.pack(">I", 8)
BATCH = 100


class ResettingClient(Http2Client):
    """A connection. It answers what it must, and discards the rest."""

    def __init__(self, address: str) -> None:
        self._next_stream = 1
        super().__init__(address)

    def reset(self, method: str, message: bytes, count: int) -> int:
        """Begin `count` calls with a whole request each, and reset each; return how many before the server hung up."""
        body = b"\0" + len(message).to_bytes(4) + message
        sent = 0
        while sent < count and not self.has_ended.is_set():
            frames = b""
            for _ in range(BATCH):
                stream, self._next_stream = self._next_stream, self._next_stream + 2
                frames += headers_of_call(f"/{method}", stream)
                frames += frame(DATA, END_STREAM, stream, body) + frame(RST_STREAM, 0, stream, CANCEL)
            try:
                self._socket.sendall(frames)
            except OSError:
                break
            sent += BATCH
        return sent

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """A server that says goodbye takes no further call."""
        if kind == GOAWAY:
            self.has_ended.set()
