"""Marks that show whether a SQLite file and the log next to it belong together.

SQLite applies any `-wal` file that it finds next to a database file, also one that was written for another file. So the
log of a crash undoes a backup that is copied over the file of the crashed store, and a copy of the file without its log
lacks the content of the log. SQLite notices neither. Therefore each store is marked in `user_version`, a field in the
first page that SQLite leaves to programs. With T an even number that is new for each log:

    first page in the file on the disk      T + 1, odd: there is a log, and this file is incomplete without it
    first page in the log, its first frame  T, even: what every reader and every backup through SQLite sees

`checkpoint` keeps these marks, in an order in which every moment of it can be distinguished from a file that does not
belong to the log. Times or further files are not needed, and a copy of both files is as good as the originals.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from service_kit.sqlite.files import (
    LOG,
    SHARED_MEMORY,
    Header,
    checkpoint_was_tried,
    first_pages,
    read_header,
    sibling,
    size_of,
)

RESTORING = "-restoring"
"""The suffix of the file by which a restore is about to replace a store."""


class UnsuitableFile(Exception):
    """A SQLite file cannot be used as it is. The message is a clause that explains why, and what to do."""


def new_mark() -> int:
    """Return an even number, not 0, that fits the field and that no other log is likely to have."""
    return 2 * (1 + secrets.randbelow(2**30 - 2))


def is_open_mark(user_version: int) -> bool:
    """Return whether a file with this mark on the disk is incomplete without its log."""
    return user_version % 2 == 1


def checkpoint(connection: Any, *, ends_run: bool) -> bool:
    """Copy the log into the file and begin a new log; return whether that could be done to the end.

    Nobody else of this process may write meanwhile. With `ends_run` the file is left complete, for the end of a
    program: it needs no log then.

    Raises an error of SQLite.
    """
    mark = new_mark()
    # The odd mark in the log means that its pages may be copied from there on, so the file can have any of its marks.
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
    """Check that a file belongs to the log next to it, which SQLite applies without a check.

    Call it while no process uses the store. A file that does not exist, or is empty, is a new store.

    Raises:
        UnsuitableFile: with the way out.
        OSError: the files cannot be read.
    """
    log = sibling(file, LOG)
    if sibling(file, RESTORING).exists():
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
    if size_of(log) and not _belongs(header, log, sibling(file, SHARED_MEMORY)):
        raise UnsuitableFile(
            f"the log {log.name} does not belong to this file, and would undo what is in it; to use the file as it is, "
            f"move {log.name} and {file.name}{SHARED_MEMORY} away; to restore a backup, use `library restore`; "
            "to keep what is in the log, put back the file that it belongs to"
        )


def _belongs(header: Header, log: Path, shared_memory: Path) -> bool:
    """Return whether the log may have been written for the file. A log without marks of the library is accepted."""
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
