"""Marks by which a SQLite file and the log beside it are known to belong together.

SQLite applies any `-wal` file that it finds beside a database file, whichever file it was written for. So a backup that
is put over the file of a crashed store is undone by the log of the crash, and a copy of the file without its log lacks
all that is in the log; SQLite notices neither. Each store is marked, therefore, in `user_version`, a field in the first
page that SQLite leaves to programs. With T an even number that is new for each log:

    first page in the file on the disk      T + 1, odd: there is a log, and this file is incomplete without it
    first page in the log, its first frame  T, even: what every reader and every backup through SQLite sees

`checkpoint` keeps that so, in an order in which every moment of it can be told from a file that does not belong to the
log: nothing else is needed, neither times nor another file, and a copy of both files is as good as the originals.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from service_kit.sqlite.files import (
    LOG,
    SHARED_MEMORY,
    Header,
    beside,
    checkpoint_was_tried,
    first_pages,
    read_header,
    size_of,
)

RESTORING = "-restoring"
"""What is appended to the name of a store for the file that a restore is about to put in its place."""


class UnsuitableFile(Exception):
    """A SQLite file cannot be used as it is. The message is a clause that explains why, and what to do."""


def new_mark() -> int:
    """Return an even number, not 0, that fits the field and that no other log is likely to have."""
    return 2 * (1 + secrets.randbelow(2**30 - 2))


def is_open_mark(user_version: int) -> bool:
    """Whether a file with this mark on the disk is incomplete without its log."""
    return user_version % 2 == 1


def checkpoint(connection: Any, *, ends_run: bool) -> bool:
    """Copy the log into the file and begin a new log; return whether that could be done to the end.

    Nobody else of this process may write meanwhile. With `ends_run` the file is left complete, for the end of a
    program: it needs no log then.

    Raises an error of SQLite.
    """
    mark = new_mark()
    # The odd mark in the log says that from there on its pages may be copied, so the file may have any of its marks.
    _mark(connection, mark + 1)
    _mark(connection, mark)
    if ends_run:
        return _copy_log(connection, "TRUNCATE")
    if not _copy_log(connection, "PASSIVE"):
        return False
    # A backup that begins here has the odd mark and is taken for incomplete. So there are few pages left to be copied.
    _mark(connection, mark + 1)
    is_done = _copy_log(connection, "TRUNCATE")
    _mark(connection, mark)
    return is_done


def _mark(connection: Any, user_version: int) -> None:
    connection.execute(f"PRAGMA user_version = {user_version}")


def _copy_log(connection: Any, mode: str) -> bool:
    ((is_busy, pages, copied),) = list(connection.execute(f"PRAGMA wal_checkpoint({mode})"))
    return not is_busy and pages == copied


def check_file(file: Path) -> None:
    """Check that a file is what SQLite would take it for, together with what lies beside it.

    Call it while no process uses the store. A file that does not exist, or is empty, is a new store.

    Raises:
        UnsuitableFile: with the way out.
        OSError: the files cannot be read.
    """
    log = beside(file, LOG)
    if beside(file, RESTORING).exists():
        raise UnsuitableFile(
            "a restore of this store was interrupted; run the same `library restore` again to finish it"
        )
    if not size_of(file):
        if size_of(log):
            raise UnsuitableFile(
                f"the file is missing or empty, but its log {log.name} is not; put back the file that the log belongs "
                f"to, restore a backup with `library restore`, or move the log away to begin with an empty store"
            )
        return
    header = read_header(file)
    if header is None:
        raise UnsuitableFile("the file is not a database of SQLite")
    if not log.exists():
        if header.has_log and is_open_mark(header.user_version):
            raise UnsuitableFile(
                f"this is a copy of the file of a running or killed store without its log {log.name}, so it is "
                f"incomplete; copy the log, too, or better make a copy with `library backup` and use `library restore`"
            )
        return
    if size_of(log) and not _belongs(header, log, beside(file, SHARED_MEMORY)):
        raise UnsuitableFile(
            f"the log {log.name} does not belong to this file, and would undo what is in it; to use the file as it is, "
            f"move {log.name} and {file.name}{SHARED_MEMORY} away; to restore a backup, use `library restore`; "
            "to keep what is in the log, put back the file that it belongs to"
        )


def _belongs(header: Header, log: Path, shared_memory: Path) -> bool:
    """Whether the log may have been written for the file. Logs without our marks are given the benefit of the doubt."""
    pages = list(first_pages(log))
    if not pages and not _has_frames(log):
        return True  # SQLite takes it for empty
    if not header.has_log:
        return False  # a store is put into WAL mode before its log is begun
    if not pages or pages[0].number != 1 or not pages[0].is_commit:
        return True  # another program began this log
    base = pages[0].user_version
    if base == 0 or is_open_mark(base):
        return True
    expected = {base + 1}
    if any(is_open_mark(page.user_version) for page in pages) or checkpoint_was_tried(log, shared_memory):
        expected.update(page.user_version for page in pages)
    return header.user_version in expected


def _has_frames(log: Path) -> bool:
    return size_of(log) > 32
