"""GET requests for the callers, on one connection each, with little between them and the socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.callers import CALL_SECONDS, Call, WrongReply

END_OF_HEAD = b"\r\n\r\n"
READ_BYTES = 256 * 1024

PAGE_TOKEN = "nextPageToken"
"""Its content differs between servers."""


@dataclass(frozen=True)
class HttpWorkload:
    """The paths to get, and the expected first answers."""

    name: str
    requests: Sequence[bytes]
    expected: Sequence[Any]
    """The JSON for the first requests, at least one for each process."""

    @classmethod
    def of(cls, name: str, paths: Sequence[str], expected: Sequence[Any]) -> HttpWorkload:
        """Get paths, without compression, which would dominate the measurement."""
        return cls(name, [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for path in paths], expected)

    def share(self, place: int, count: int) -> HttpWorkload:
        """Return every `count`th request, beginning at `place`."""
        return HttpWorkload(self.name, self.requests[place::count], self.expected[place::count])

    @contextmanager
    def calling(self, address: str) -> Iterator[Call]:
        """Call on a connection that is kept for the round."""
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=CALL_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def call(request: bytes) -> bytes:
                connection.sendall(request)
                return _body_of_success(connection)

            yield call

    def look_at(self, reply: bytes) -> None:
        given, expected = json.loads(reply), self.expected[0]
        if bool(given.pop(PAGE_TOKEN, "")) != (PAGE_TOKEN in expected):
            raise WrongReply("a page without a token of the next one, or the other way round")
        expected = {name: value for name, value in expected.items() if name != PAGE_TOKEN}
        if given != expected:
            raise WrongReply(f"{given} instead of {expected}")


def _body_of_success(connection: socket.socket) -> bytes:
    received = b""
    while (end := received.find(END_OF_HEAD)) < 0:
        received += _read(connection)
    if not received.startswith(b"HTTP/1.1 200 "):
        raise WrongReply(received.decode(errors="replace"))
    head = received[:end].lower()
    _, announced, rest = head.partition(b"\r\ncontent-length:")
    if not announced:
        raise WrongReply(f"no length in {head!r}")
    missing = end + len(END_OF_HEAD) + int(rest.partition(b"\r\n")[0]) - len(received)
    parts = [received[end + len(END_OF_HEAD) :]]
    while missing > 0:
        parts.append(_read(connection))
        missing -= len(parts[-1])
    return b"".join(parts)


def _read(connection: socket.socket) -> bytes:
    part = connection.recv(READ_BYTES)
    if not part:
        raise WrongReply("the connection was closed")
    return part
