"""Ends all that a test run started, also when the run itself is killed.

Each test process (the one that collects, and each worker of pytest-xdist) starts a watchdog and keeps the only writing
end of a pipe to it. When the test process ends, in any way, the pipe ends, and the watchdog ends all processes
that descend from it, wherever they have gone: they carry its mark in their environment. Then it removes the folders
that the test process named. Run as a module, this is the watchdog.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil

MARK = "TESTED_BY"
"""The variable with the mark. Its name does not begin with LIBRARY_, which servers would take for a setting."""

FOLDERS = "library-tests-"
"""How the names of the folders begin that `Watchdog.new_folder` makes."""

PATIENCE_SECONDS = 60.0


class Watchdog:
    """The watchdog of this process."""

    def __init__(self) -> None:
        """Start it, and mark this process, whose children get the mark from it."""
        mark = uuid.uuid4().hex
        # Without a mark of its own: the watchdog of a worker outlives the worker, whom the other watchdog may end.
        environment = {name: value for name, value in os.environ.items() if name != MARK}
        self._process = subprocess.Popen(
            [sys.executable, __file__, mark],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )
        os.environ[MARK] = mark
        self._locks: list[int] = []

    def new_folder(self) -> Path:
        """Make a folder next to pytest's own, removed when this process ends."""
        while True:
            folder = Path(tempfile.mkdtemp(prefix=FOLDERS))
            # Another run that starts may take it for an abandoned one, until it is locked.
            with contextlib.suppress(OSError):
                self._locks.append(_lock(folder))
                if folder.exists():
                    self._send(f"folder {folder}")
                    return folder

    def remove_unless_kept(self, folder: Path) -> None:
        """Remove a folder, too, unless `close` keeps it before this process ends."""
        self._send(f"unless kept {folder}")

    def close(self, *, keep: bool) -> None:
        """Wait until all that the run started has ended. Its folders are removed then, but for those that are kept.

        That is not waited for: it takes up to 15 s, for some hundred databases.
        """
        if keep:
            self._send("keep")
        pipe, ended = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert ended is not None
        pipe.close()
        ended.read()
        ended.close()
        self._process.returncode = 0  # it goes on by itself, and is not this process's to wait for any more
        for lock in self._locks:
            os.close(lock)

    def _send(self, line: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.write(line.encode() + b"\n")
            pipe.flush()


def remove_abandoned_folders() -> None:
    """Remove the folders of runs that ended together with their watchdogs, as when a machine is switched off."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        try:
            lock = _lock(folder)
        except OSError:  # it is in use, or another user's, or another process removes it
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int:
    """Lock a folder for as long as this process lives; return the file descriptor. Raises `OSError` if it is locked."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _watch(mark: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folders, unless_kept = [], []
    for line in sys.stdin:
        word, _, folder = line.rstrip("\n").rpartition(" ")
        if word == "folder":
            folders.append(folder)
        elif word == "unless kept":
            unless_kept.append(folder)
        else:
            unless_kept.clear()
    _end_processes(mark)
    os.close(1)  # by which the test process sees it
    _remove([*folders, *unless_kept])


def _end_processes(mark: str) -> None:
    """End all processes with this mark, until there are none: one may have started another meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while marked := [process for process in psutil.process_iter() if _is_marked(process, mark)]:
        for process in marked:
            with contextlib.suppress(psutil.Error):
                # PostgreSQL's own processes end with it; killed, it would leave their ends to themselves.
                process.send_signal(signal.SIGQUIT if process.name() == "postgres" else signal.SIGKILL)
        psutil.wait_procs(marked, timeout=1)
        if time.monotonic() > deadline:
            for process in marked:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            return


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _remove(folders: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    for folder in folders:
        # A worker's watchdog may be at work in a folder within it.
        while Path(folder).exists() and time.monotonic() < deadline:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


if __name__ == "__main__":
    _watch(sys.argv[1])
