"""A client of HTTP/2 that opens calls and does not go on with them: RFC 9113, written out in frames."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

from tests.support.http2_pings import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, SETTINGS, _frame

RST_STREAM, GOAWAY = 3, 7
INITIAL_WINDOW_SIZE = 4


class StubbornClient:
    """A connection on which calls are opened. It answers settings and pings, and takes no byte of an answer."""

    def __init__(self, address: str, window: int = 0) -> None:
        """Connect; `window` is how many bytes of each answer the server may send."""
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.sendall(PREFACE + _frame(SETTINGS, payload=struct.pack(">HI", INITIAL_WINDOW_SIZE, window)))
        self.port: int = self._socket.getsockname()[1]
        self._next_stream = 1
        self._changed = threading.Condition()
        self.ended: set[int] = set()
        """The streams that the server has ended."""
        self.has_ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> StubbornClient:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with suppress(OSError):  # the server has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def open(self, path: str, message: bytes | None, *, ends: bool = True) -> int:
        """Open a call with a message, or with headers only, and return its stream; `ends` half-closes it."""
        return self.open_with(path, [] if message is None else [message], ends=ends and message is not None)

    def open_with(self, path: str, messages: Sequence[bytes], *, ends: bool = True) -> int:
        """Open a call with messages, of 16 kB together at most, and return its stream; `ends` half-closes it."""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        # Literal fields that are never indexed, without Huffman coding (RFC 7541, 6.2.3).
        block = b"".join(
            b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
            for name, value in headers.items()
        )
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        frames = _frame(HEADERS, END_HEADERS, stream, block)
        if messages:
            body = b"".join(b"\0" + len(message).to_bytes(4) + message for message in messages)
            frames += _frame(DATA, END_STREAM if ends else 0, stream, body)
        self._socket.sendall(frames)
        return stream

    def reset(self, stream: int) -> None:
        """Cancel a call."""
        self._socket.sendall(_frame(RST_STREAM, 0, stream, (8).to_bytes(4)))

    def wait_for_end(self, streams: set[int], seconds: float) -> None:
        """Wait until the server has ended these streams, or the connection."""
        with self._changed:
            assert self._changed.wait_for(lambda: streams <= self.ended or self.has_ended, seconds)

    def _read(self) -> None:
        file = self._socket.makefile("rb")
        try:
            while head := file.read(9):
                length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
                self._take(kind, flags, stream, file.read(length))
        except OSError:
            pass
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._socket.sendall(_frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self._socket.sendall(_frame(PING, ACK, payload=payload))
        elif kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
            with self._changed:
                self.ended.add(stream)
                self._changed.notify_all()
