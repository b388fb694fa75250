"""Divide a file into its lines, none of which is longer than a record may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from library_formats.readers.raw import MOST_RECORD_BYTES
from library_formats.records import OpenAt

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PART = 65_536


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file that is not blank."""

    data: bytes
    """Without its end."""
    end: int
    """The position after it in the file."""
    is_too_long: bool = False
    """Whether `data` is only its beginning."""


def lines(open_at: OpenAt, position: int) -> Iterator[Line]:
    """Yield the lines of a file from the position after a line on."""
    buffer = bytearray()
    at = position
    searched = 0
    is_too_long = False
    for part in open_at(position):
        for begin in range(0, len(part), _PART):
            buffer += part[begin : begin + _PART]
            while (end := buffer.find(b"\n", searched)) >= 0:
                at += end + 1
                yield from _line(bytes(buffer[:end]), at, is_first=at == end + 1, is_too_long=is_too_long)
                del buffer[: end + 1]
                searched, is_too_long = 0, False
            searched = len(buffer)
            if len(buffer) > MOST_RECORD_BYTES:
                at += len(buffer) - MOST_RECORD_BYTES
                del buffer[MOST_RECORD_BYTES:]
                searched, is_too_long = MOST_RECORD_BYTES, True
    at += len(buffer)
    yield from _line(bytes(buffer), at, is_first=at == len(buffer), is_too_long=is_too_long)


def _line(data: bytes, end: int, *, is_first: bool, is_too_long: bool) -> Iterator[Line]:
    content = (data.removeprefix(_BYTE_ORDER_MARK) if is_first else data).strip(b" \t\r\x00\x1a")
    if content:
        yield Line(content, end, is_too_long or len(content) > MOST_RECORD_BYTES)
