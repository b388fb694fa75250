"""A client of HTTP/2 that does little but ping: RFC 9113, written out in frames."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4


class PingingClient:
    """A connection that answers what it must, and notes the GOAWAY that ends it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.sendall(PREFACE + _frame(SETTINGS))
        self.acknowledged = 0
        """Pings that were answered."""
        self.goaway = b""
        """The debug data of the GOAWAY, such as too_many_pings."""
        self.has_ended = threading.Event()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> PingingClient:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with suppress(OSError):  # the server has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def watch_health(self) -> None:
        """Begin a call that has no end: grpc.health.v1.Health/Watch."""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": "/grpc.health.v1.Health/Watch",
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        # Literal fields that are never indexed, without Huffman coding (RFC 7541, 6.2.3).
        block = b"".join(
            b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
            for name, value in headers.items()
        )
        self._socket.sendall(_frame(HEADERS, END_HEADERS, 1, block) + _frame(DATA, END_STREAM, 1, b"\0" * 5))

    def ping(self) -> None:
        """Send a ping, if the connection has not ended."""
        with suppress(OSError):
            self._socket.sendall(_frame(PING, payload=b"8 octets"))

    def wait_for_acknowledged(self, count: int, seconds: float) -> None:
        """Wait until so many pings have been answered in all."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.acknowledged >= count or self.has_ended.is_set(), seconds)

    def _read(self) -> None:
        file = self._socket.makefile("rb")
        try:
            while head := file.read(9):
                length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
                self._take(kind, flags, file.read(length))
        except OSError:
            pass
        with self._changed:
            self.has_ended.set()
            self._changed.notify_all()

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._socket.sendall(_frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self._socket.sendall(_frame(PING, ACK, payload=payload))
        elif kind == PING:
            with self._changed:
                self.acknowledged += 1
                self._changed.notify_all()
        elif kind == GOAWAY:
            self.goaway = payload[8:]


def _frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload
