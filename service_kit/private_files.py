"""Files and folders that only the user who runs the library can read, as stores and logs contain names of people.

They are private from their creation, with any umask. Those that an earlier version made readable are made private.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from service_kit.logs import logger

OTHERS = stat.S_IRWXG | stat.S_IRWXO
FILE_MODE, FOLDER_MODE = 0o600, 0o700

DEFAULT_FOLDER = Path(".data")
"""The folder of the stores by default. It belongs to the library, whichever user made it."""

log = logger(__name__)


def set_private_umask() -> None:
    """Make all files of this process and its children private. For the start of a program."""
    os.umask(OTHERS)


def make_folder(folder: Path) -> None:
    """Make a private folder, and private ones above it, unless they exist; existing ones are left as they are.

    Raises OSError.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    try:
        folder.mkdir(FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        folder.chmod(FOLDER_MODE)  # some umasks take away from the owner, too


def create_file(file: Path) -> None:
    """Make an empty private file, and delete an existing one. Raises OSError."""
    file.unlink(missing_ok=True)
    os.close(_opened(file, os.O_WRONLY | os.O_EXCL))


def open_to_append(file: Path) -> BinaryIO:
    """Open a file at its end for writing; a new one is private. Raises OSError."""
    return os.fdopen(_opened(file, os.O_WRONLY | os.O_APPEND), "ab")


def close_to_others(paths: Iterable[Path]) -> list[Path]:
    """Remove the permissions of the group and of others; return the files and folders that were changed.

    Those of another user are logged and not changed: nothing depends on them. A path that does not exist, or is neither
    a file nor a folder, such as a link to /dev/null, is left out.
    """
    closed = []
    for path in paths:
        try:
            mode = path.stat().st_mode
            if mode & OTHERS and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                path.chmod(stat.S_IMODE(mode) & ~OTHERS)
                closed.append(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("cannot make private", path=str(path), error=error.strerror)
    return closed


def _opened(file: Path, flags: int) -> int:
    is_new = not file.exists()
    descriptor = os.open(file, flags | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    if is_new:
        os.fchmod(descriptor, FILE_MODE)
    return descriptor
