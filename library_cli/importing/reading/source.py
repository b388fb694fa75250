"""The bytes of a file, whose beginning can be examined before it is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

CHUNK = 65_536
"""Bytes that are read at a time, and bytes of the beginning that are examined."""

ENOUGH_LINES = 20
"""Lines after which the examined beginning ends, because a pipe can be slow."""


class Source:
    """The bytes of a file or a pipe. The examined beginning is read again."""

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
        """Yield all bytes of a file, or the beginning of a pipe, which are read again later."""
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
