"""The bytes of a file, with a bounded look at its beginning before it is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

CHUNK = 65_536
"""In bytes: how much is read at a time, and how much of the beginning is looked at."""

ENOUGH_LINES = 20
"""A pipe may be slow: the look at the beginning ends when it has this many lines."""


class Source:
    """The bytes of a file or a pipe. What was looked at is read again."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self._read = getattr(file, "read1", file.read)
        self.start = _position(file)
        self.head = b""
        self.bytes_read = 0
        self.head_is_all = False
        while len(self.head) < CHUNK and not self.head_is_all and not self._has_enough_lines():
            chunk = self._read(CHUNK)
            self.head += chunk
            self.head_is_all = not chunk

    def _has_enough_lines(self) -> bool:
        return self.head.count(b"\n") + self.head.count(b"\r") >= ENOUGH_LINES

    @property
    def can_be_read_twice(self) -> bool:
        """Whether this is a file, and not a pipe."""
        return self.start is not None

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, the beginning first, and count them."""
        self.bytes_read += len(self.head)
        yield self.head
        while chunk := self._read(CHUNK):
            self.bytes_read += len(chunk)
            yield chunk

    def look_through(self) -> Iterator[bytes]:
        """Yield all bytes of a file, or the beginning of a pipe, without reading them for good."""
        if self.start is None:
            yield self.head
            return
        after = self.file.tell()
        self.file.seek(self.start)
        try:
            while chunk := self._read(CHUNK):
                yield chunk
        finally:
            self.file.seek(after)


def _position(file: IO[bytes]) -> int | None:
    try:
        return file.tell() if file.seekable() else None
    except (OSError, io.UnsupportedOperation):
        return None
