"""Write a finished document to a file or to standard output."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from service_kit.private_files import FILE_MODE

OPEN_MODE = 0o666
"""Mode of a file that is not about people, before the umask is applied."""

STANDARD_OUTPUT = Path("-")


def write(path: Path, content: bytes, *, is_private: bool, may_replace: bool) -> None:
    """Write a file that is complete when it has its name. Devices and pipes are written to as they are.

    Raises:
        FileExistsError: The file exists, and `may_replace` is not set.
        OSError: The file cannot be written.
    """
    if path == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = path.resolve()  # a link stays one
    new = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part") if may_replace else path
    mode = FILE_MODE if is_private else OPEN_MODE
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
