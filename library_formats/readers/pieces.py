"""Divide a file of ISO 2709 into its records, in spite of bytes between them and of wrong lengths in their leaders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from library_formats.readers.raw import MOST_RECORD_BYTES
from library_formats.records import OpenAt, Place

TERMINATOR = b"\x1d"
LEADER_BYTES = 24
LONGEST_STATED = 99_999
"""The greatest length that a leader can state."""

NO_TERMINATOR = -1
MORE_NEEDED = 0

_HEAD = 2_000
"""Bytes that are kept of a record that is too long, to find its control number."""
_BETWEEN = b" \t\r\n\v\f\0\x1a\x1d"
"""What some systems write between two records or after the last one: line breaks, blanks, NUL, Ctrl-Z."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LEADER = re.compile(rb"(?=(\d{5})[\x20-\x7e]{5}[0-9 ]{2}\d{5})")
_WITHOUT_LENGTH = re.compile(rb"[acdnp][a-z][\x20-\x7e]{3}[0-9 ]{2}\d{5}")


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a record."""

    data: bytes
    end: int
    """The position after it in the file."""
    is_cut: bool = False
    """Whether it is not complete: the file ends within it, or another record begins within it."""
    is_too_long: bool = False
    """Whether `data` is only its beginning."""


def pieces(open_at: OpenAt, start: Place) -> Iterator[Piece]:
    """Yield the bytes of one record after the other from a place between two records."""
    buffer = _Buffer(start.position)
    for part in _parts(open_at, start.position):
        buffer.data += part
        yield from buffer.complete(is_last=False)
        buffer.shorten()
    yield from buffer.complete(is_last=True)
    yield from buffer.rest()


class _Buffer:
    """The bytes of a file that were read and are not part of a piece yet."""

    def __init__(self, position: int) -> None:
        self.data = bytearray()
        self.position = position
        """Of the first byte, in the file."""
        self.searched = 0
        self.head: bytes | None = None
        """The beginning of a record that is too long, of which `data` has the last bytes."""

    def complete(self, *, is_last: bool) -> Iterator[Piece]:
        while True:
            if self.head is None:
                self._drop(_between(self.data, self.position))
            end = _end(self.data, self.searched, is_last=is_last)
            if end == NO_TERMINATOR:
                self.searched = max(0, len(self.data) - 1)
            if end <= 0:
                return
            yield from _divided(bytes(self.data[:end]), self.position + end, self.head)
            self.head = None
            self._drop(end)

    def shorten(self) -> None:
        """Drop the beginning of a record that is too long."""
        if len(self.data) > MOST_RECORD_BYTES:
            self.head = bytes(self.data[:_HEAD]) if self.head is None else self.head
            # A complete record can follow what is broken off: its bytes are kept.
            self._drop(len(self.data) - LONGEST_STATED)
            self.searched = max(0, len(self.data) - 1)

    def rest(self) -> Iterator[Piece]:
        """Yield what follows the last terminator."""
        if self.head is not None:
            yield Piece(self.head, self.position + len(self.data), is_too_long=True)
        elif self.data:
            yield Piece(bytes(self.data), self.position + len(self.data), is_cut=True)

    def _drop(self, count: int) -> None:
        if count:
            del self.data[:count]
            self.position += count
            self.searched = 0


def _parts(open_at: OpenAt, position: int) -> Iterator[bytes]:
    """Yield the parts of a file, none of them long."""
    for part in open_at(position):
        for begin in range(0, len(part), LONGEST_STATED):
            yield part[begin : begin + LONGEST_STATED]


def _between(buffer: bytearray, position: int) -> int:
    """Return the number of bytes at the beginning that do not belong to a record."""
    count = len(_BYTE_ORDER_MARK) if position == 0 and buffer.startswith(_BYTE_ORDER_MARK) else 0
    return count + len(buffer[count:]) - len(buffer[count:].lstrip(_BETWEEN))


def _end(buffer: bytearray, searched: int, *, is_last: bool) -> int:
    """Return where the first record ends; `NO_TERMINATOR`, or `MORE_NEEDED` to know which terminator ends it.

    It ends with the first terminator. But if one is in a text, where it is not allowed, the record is as long as its
    leader states.
    """
    first = buffer.find(TERMINATOR, searched) + 1
    if not first:
        return NO_TERMINATOR
    stated = stated_length(buffer)
    if stated <= first:
        return first
    if len(buffer) < stated + LEADER_BYTES and not is_last:
        return MORE_NEEDED
    follows = bytes(buffer[first : first + 2 * LEADER_BYTES]).lstrip(_BETWEEN)
    ends_there = buffer[stated - 1 : stated] == TERMINATOR
    return stated if ends_there and not _LEADER.match(follows) and first > LEADER_BYTES else first


def stated_length(data: bytes | bytearray) -> int:
    """Return the length that a leader states; 0 if it states none."""
    length = bytes(data[:5])
    return int(length) if len(length) == 5 and length.isdigit() else 0


def _divided(data: bytes, end: int, head: bytes | None) -> Iterator[Piece]:
    """Yield a record, or the part of a broken one and the complete record that follows it."""
    begin = 0 if head is None and stated_length(data) == len(data) else _complete_record(data)
    if head is not None:
        yield Piece(head, end - len(data) + begin if begin else end, is_too_long=True)
        if begin:
            yield Piece(data[begin:], end)
        return
    if begin:
        yield Piece(data[:begin], end - len(data) + begin, is_cut=True)
    whole = data[begin:]
    yield Piece(b"00000" + whole if _WITHOUT_LENGTH.match(whole) else whole, end)


def _complete_record(data: bytes) -> int:
    """Return where in `data` a record begins that is as long as its leader states; 0 if none does."""
    for leader in _LEADER.finditer(data):
        if int(leader[1]) == len(data) - leader.start():
            return leader.start()
    return 0
