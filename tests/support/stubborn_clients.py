"""A client of HTTP/2 that opens calls and does not go on with them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.support.http2 import DATA, END_STREAM, HEADERS, RST_STREAM, Http2Client, frame, headers_of_call

INITIAL_WINDOW_SIZE = 4


class StubbornClient(Http2Client):
    """A connection on which calls are opened. It answers settings and pings, and takes no byte of an answer."""

    def __init__(self, address: str, window: int = 0) -> None:
        """Connect; `window` is how many bytes of each answer the server may send."""
        self._next_stream = 1
        self.ended: set[int] = set()
        """The streams that the server has ended."""
        super().__init__(address, settings=struct.pack(">HI", INITIAL_WINDOW_SIZE, window))
        self.port: int = self._socket.getsockname()[1]

    def open(self, path: str, message: bytes | None, *, ends: bool = True) -> int:
        """Open a call with a message, or with headers only, and return its stream; `ends` half-closes it."""
        return self.open_with(path, [] if message is None else [message], ends=ends and message is not None)

    def open_with(self, path: str, messages: Sequence[bytes], *, ends: bool = True) -> int:
        """Open a call with messages, of 16 kB together at most, and return its stream; `ends` half-closes it."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        frames = headers_of_call(path, stream)
        if messages:
            body = b"".join(b"\0" + len(message).to_bytes(4) + message for message in messages)
            frames += frame(DATA, END_STREAM if ends else 0, stream, body)
        self._socket.sendall(frames)
        return stream

    def reset(self, stream: int) -> None:
        """Cancel a call."""
        self._socket.sendall(frame(RST_STREAM, 0, stream, (8).to_bytes(4)))

    def wait_for_end(self, streams: set[int], seconds: float) -> None:
        """Wait until the server has ended these streams, or the connection."""
        with self._changed:
            assert self._changed.wait_for(lambda: streams <= self.ended or self.has_ended.is_set(), seconds)

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Note the streams that the server ends."""
        if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
            self.ended.add(stream)
