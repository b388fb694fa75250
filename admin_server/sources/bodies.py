"""The body of an answer, with a limit also for what is decompressed: a bomb of a kilobyte can become a gigabyte."""

from __future__ import annotations

import zlib

from admin_server.sources.failures import FetchFailed

ENCODINGS = "gzip"
"""What is accepted, besides a body as it is."""


class Body:
    """Collects a body of at most `most_bytes`."""

    def __init__(self, host: str, encoding: str, most_bytes: int) -> None:
        """Raise `FetchFailed` for an encoding that was not asked for.

        Args:
            host: For the texts of errors.
            encoding: The header Content-Encoding.
            most_bytes: The most, after decompression.
        """
        self._host, self._most_bytes = host, most_bytes
        self._decompressor = None
        self._content = bytearray()
        encoding = encoding.strip().lower()
        if encoding in ("gzip", "x-gzip"):
            self._decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        elif encoding not in ("", "identity"):
            raise FetchFailed(f"the answer of {host} is compressed in an unknown way", is_lasting=True)

    def add(self, part: bytes) -> None:
        """Add the next bytes as they were received. Raises `FetchFailed` when there are too many."""
        room = self._most_bytes - len(self._content) + 1
        if self._decompressor is not None:
            try:
                part = self._decompressor.decompress(part, room)
            except zlib.error:
                raise FetchFailed(f"the answer of {self._host} is not compressed as it says", is_lasting=True) from None
        self._content += part[:room]
        if len(self._content) > self._most_bytes:
            raise FetchFailed(f"the answer of {self._host} is larger than {self._most_bytes} bytes", is_lasting=True)

    def end(self) -> bytes:
        """Return the whole body. Raises `FetchFailed` for one that was cut."""
        if self._decompressor is not None and not self._decompressor.eof:
            raise FetchFailed(f"the answer of {self._host} was cut off")
        return bytes(self._content)
