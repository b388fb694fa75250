"""The parts of SQLite's files by which a file and its log are matched; none of it is read through SQLite.

The offsets are those of sqlite.org/fileformat2.html (the header of the file, the log) and sqlite.org/walformat.html
(the shared memory).
"""

from __future__ import annotations

import glob
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LOG, SHARED_MEMORY, JOURNAL = "-wal", "-shm", "-journal"
"""The suffixes of the files that SQLite makes next to a database file."""

LOCK = "-lock"
"""The suffix of the file of `StoreLock`."""

_MAGIC = b"SQLite format 3\0"
_LOG_MAGICS = (0x377F0682, 0x377F0683)
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_USER_VERSION = struct.Struct(">60xi")


class Header(NamedTuple):
    """The header of a file, read from the disk. SQLite may read a newer one from the log."""

    has_log: bool
    """Whether the file was last written in WAL mode."""
    user_version: int


class Frame(NamedTuple):
    """A first page in a log."""

    number: int
    """The place of its frame in the log, from 1."""
    user_version: int
    is_commit: bool
    """Whether a transaction ends with it."""


def sibling(file: Path, suffix: str) -> Path:
    """Return the path of a file that belongs to `file`."""
    return file.with_name(file.name + suffix)


def files_of(file: Path) -> list[Path]:
    """Return the files of a store: its own, those next to it, and old ones that a restore has kept.

    Some of them may not exist. Raises OSError if the folder cannot be read.
    """
    kept = file.parent.glob(f"{glob.escape(file.name)}.before-restore-*") if file.parent.is_dir() else ()
    return [*(sibling(file, suffix) for suffix in ("", LOG, SHARED_MEMORY, JOURNAL, LOCK)), *sorted(kept)]


def size_of(file: Path) -> int:
    """Return the size in bytes, 0 if the file does not exist."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def read_header(file: Path) -> Header | None:
    """Return the header, None if the file is not a SQLite file. Raises OSError."""
    with file.open("rb") as opened:
        page = opened.read(100)
    if len(page) < 100 or not page.startswith(_MAGIC):
        return None
    return Header(page[18] == 2 or page[19] == 2, _USER_VERSION.unpack_from(page)[0])


def first_pages(log: Path) -> Iterator[Frame]:
    """Yield each first page in the log, in the order of writing; nothing if SQLite would take the log for empty.

    Frames of transactions that were not committed are among them. Raises OSError.
    """
    with log.open("rb") as opened:
        header = opened.read(_LOG_HEADER_BYTES)
        if len(header) < _LOG_HEADER_BYTES:
            return
        magic, _, page_bytes = struct.unpack_from(">III", header)
        salts = header[16:24]
        if magic not in _LOG_MAGICS:
            return
        number = 0
        while len(frame := opened.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES and frame[8:16] == salts:
            number += 1
            page, pages_after_commit = struct.unpack_from(">II", frame)
            if page == 1:
                content = opened.read(page_bytes)
                if len(content) < page_bytes:
                    return
                yield Frame(number, _USER_VERSION.unpack_from(content)[0], pages_after_commit > 0)
            else:
                opened.seek(page_bytes, 1)


def checkpoint_was_tried(log: Path, shared_memory: Path) -> bool:
    """Return whether any program may have copied pages of this log into the file. Raises OSError.

    SQLite notes that in the shared memory before it copies the first page. The file outlives a killed process, though
    not a power cut, and it counts only where it is of the same log.
    """
    with log.open("rb") as opened:
        salts = opened.read(_LOG_HEADER_BYTES)[16:24]
    try:
        index = shared_memory.read_bytes()[:136]
    except FileNotFoundError:
        return False
    if len(index) < 136 or index[32:40] != salts:
        return False
    (attempted,) = struct.unpack_from("=128xI", index)
    return bool(attempted)
