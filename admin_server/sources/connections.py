"""Connections to addresses that were checked before, with one deadline and one limit of bytes for all that they do."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore

from admin_server.sources.failures import FetchFailed

_CONNECT_SECONDS = 4.0
"""How long one address is tried while there are others."""

_OVERHEAD_BYTES = 256 * 1024
"""Headers (of which httpcore reads 100 KiB at most) and the lengths of chunks."""


@dataclass
class Limits:
    """What one request may cost, with its redirects."""

    host: str
    """For the texts of errors."""
    deadline: float
    """In seconds of `time.monotonic`."""
    most_bytes: int
    """Of the body. The connection may carry twice as many and 256 KiB, as small chunks have a length each."""
    received_bytes: int = 0

    def seconds_left(self) -> float:
        """Return the seconds until the deadline. Raises `FetchFailed` after it."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise FetchFailed(f"{self.host} did not answer in time")
        return left

    def count(self, received: int) -> None:
        """Raise `FetchFailed` once too much was received."""
        self.received_bytes += received
        if self.received_bytes > 2 * self.most_bytes + _OVERHEAD_BYTES:
            raise FetchFailed(f"the answer of {self.host} is too large", is_lasting=True)


class CheckedAddresses(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, without another look at the name of the host.

    A name server that returned a public address for the check and a private one for the connection would otherwise lead
    the request inside.
    """

    def __init__(self, addresses: Sequence[str], limits: Limits) -> None:
        """Take at least one address."""
        self._addresses, self._limits = addresses, limits
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the addresses that answers."""
        *others, last = self._addresses
        for address in others:
            seconds = min(self._limits.seconds_left(), _CONNECT_SECONDS)
            try:
                stream = self._backend.connect_tcp(address, port, seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return LimitedStream(stream, self._limits)
        stream = self._backend.connect_tcp(last, port, self._limits.seconds_left())
        return LimitedStream(stream, self._limits)


class LimitedStream(httpcore.NetworkStream):
    """A connection that ends at the deadline, however slowly the other side sends, and after too many bytes."""

    def __init__(self, stream: httpcore.NetworkStream, limits: Limits) -> None:
        """Take the connection and its limits."""
        self._stream, self._limits = stream, limits

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait for the next bytes."""
        part = self._stream.read(max_bytes, self._limits.seconds_left())
        self._limits.count(len(part))
        return part

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of the bytes."""
        self._stream.write(buffer, self._limits.seconds_left())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Verify the server by its name, not by its address."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._limits.seconds_left())
        return LimitedStream(stream, self._limits)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks about the connection."""
        return self._stream.get_extra_info(info)
