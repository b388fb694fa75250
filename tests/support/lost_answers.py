"""A proxy between a client and a server that loses answers: what the server did, the client does not hear of."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class LosingProxy:
    """Passes HTTP/2 on between its clients and a server, but for the answers that it is asked to lose."""

    def __init__(self, target: str) -> None:
        """Listen on a free port; `target` is the HOST:PORT of the server."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._is_losing = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def lose_answers(self) -> None:
        """From now on, pass no answers on. Settings still reach the clients, which need them to call."""
        self._is_losing.set()

    def cut(self) -> None:
        """Close the connections of the clients, and serve new ones as before."""
        lost, self._open = self._open, []
        self._is_losing.clear()
        for each in lost:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections."""
        # Closing it would not wake up the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open += [client, server]
            pumps = [
                threading.Thread(target=self._pump, args=(client, server, _received(client))),
                threading.Thread(target=self._pump, args=(server, client, self._not_lost(server))),
            ]
            for pump in pumps:
                pump.start()
            self._threads += pumps

    def _pump(self, source: socket.socket, sink: socket.socket, passed: Iterator[bytes]) -> None:
        with source, suppress(OSError):
            for piece in passed:
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def _not_lost(self, server: socket.socket) -> Iterator[bytes]:
        """Yield the frames of the server, without those of answers while these are to be lost."""
        buffer = b""
        for received in _received(server):
            buffer += received
            while len(buffer) >= FRAME_HEADER and len(buffer) >= (size := _frame_size(buffer)):
                frame, buffer = buffer[:size], buffer[size:]
                if not (self._is_losing.is_set() and frame[3] in ANSWER_FRAMES):
                    yield frame


FRAME_HEADER = 9
ANSWER_FRAMES = (0, 1)
"""The types DATA and HEADERS (RFC 9113, section 6)."""


def _frame_size(buffer: bytes) -> int:
    return FRAME_HEADER + int.from_bytes(buffer[:3], "big")


def _received(source: socket.socket) -> Iterator[bytes]:
    while received := source.recv(65_536):
        yield received


@contextmanager
def losing_proxy(target: str) -> Iterator[LosingProxy]:
    """Run such a proxy."""
    proxy = LosingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
