"""Clients of HTTP/2 that do what no library lets one do: RFC 9113, written out in frames."""

from __future__ import annotations

import functools
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4

Client = TypeVar("Client", bound="Http2Client")


class Http2Client:
    """A connection that answers settings and pings; a subclass takes the other frames that it wants to see."""

    def __init__(self, address: str, settings: bytes = b"") -> None:
        """Connect. A subclass sets its own fields before, as frames are taken from then on."""
        host, _, port = address.rpartition(":")
        self._changed = threading.Condition()
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.sendall(PREFACE + frame(SETTINGS, payload=settings))
        self.has_ended = threading.Event()
        """Whether the server has ended the connection."""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self: Client) -> Client:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):  # the server has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Take a frame that this class does not answer itself. Called with the lock of `_changed`."""

    def _read(self) -> None:
        file = self._socket.makefile("rb")
        try:
            while len(head := file.read(9)) == 9:  # the connection can end in the middle of a head
                length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
                self._take(kind, flags, stream, file.read(length))
        except OSError:
            pass
        with self._changed:
            self.has_ended.set()
            self._changed.notify_all()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in (SETTINGS, PING) and not flags & ACK:
            self._socket.sendall(frame(kind, ACK, payload=payload if kind == PING else b""))
            return
        with self._changed:
            self.take(kind, flags, stream, payload)
            self._changed.notify_all()


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Write a frame."""
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def headers_of_call(path: str, stream: int) -> bytes:
    """Write the frame that opens a gRPC call."""
    return frame(HEADERS, END_HEADERS, stream, _header_block(path))


@functools.cache
def _header_block(path: str) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    # Literal fields that are never indexed, without Huffman coding (RFC 7541, 6.2.3).
    return b"".join(
        b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in headers.items()
    )
