"""Disks that become full and have room again: a limit on the size of files, and a small file system where allowed."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.processes import ROOT

_RUN_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


class FileSizeLimit:
    """Limits the files of a running process, as `ulimit -f` does: no privilege is needed.

    A write past the limit fails with EFBIG, which SQLite reports as an I/O error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int) -> None:
        """Let the files of the process grow by some pages from now on."""
        largest = max(file.stat().st_size for file in self.folder.iterdir())
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + 60_000, resource.RLIM_INFINITY))

    def empty(self, pid: int) -> None:
        """Lift the limit."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class SmallFileSystem:
    """A file system in memory that a file fills. A write fails with ENOSPC, which is SQLITE_FULL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, pid: int) -> None:
        """Leave room for some pages."""
        room = os.statvfs(self.folder)
        with self._filler.open("wb") as file:
            file.write(b"x" * (room.f_bavail * room.f_frsize - 60_000))

    def empty(self, pid: int) -> None:
        """Make room."""
        self._filler.unlink()


@contextlib.contextmanager
def small_file_system(folder: Path, megabytes: int) -> Iterator[SmallFileSystem | None]:
    """Mount a file system in memory on a new folder; None where this process may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        yield None
        return
    try:
        yield SmallFileSystem(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run_limited(
    most_bytes: int, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` with files of at most this size, and return its end."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    command: Sequence[str] = [sys.executable, "-c", _RUN_LIMITED, str(most_bytes), sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**variables, **(environment or {})}, capture_output=True, text=True, check=False
    )
