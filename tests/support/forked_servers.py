"""Server processes that start at once: each is forked from one that has imported all they need, and nothing more.

Importing takes half a second of a core, and a run starts some hundred servers. From the fork on, a server is what
`library-… serve` is: its own process, settings and `main`. Run as a module, this is the forking one.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
POLL_SECONDS = 0.005


class ForkedProcess:
    """A forked process, with the part of `subprocess.Popen` that the tests need."""

    def __init__(self, pid: int, ended: Path) -> None:
        """The forking process writes how it ended into the file `ended`."""
        self.pid = pid
        self._ended = ended
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        if self._status is None:
            with contextlib.suppress(FileNotFoundError):
                self._status = int(self._ended.read_text())
                self._ended.unlink()
        return self._status

    def wait(self, timeout: float) -> int:
        """Wait for its end; return the exit status. Raises `subprocess.TimeoutExpired`."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class Forkery:
    """The process from which servers are forked, started for the first of them."""

    def __init__(self, folder: Path) -> None:
        """In `folder` it notes how each process ended."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, name: str, environment: Mapping[str, str], log: Path) -> ForkedProcess:
        """Start the server of this name, with this environment and no other variable, in the folder of its log."""
        if self._process is None:
            self._process = self._started()
        order = {"name": name, "environment": dict(environment), "log": str(log)}
        _pipe(self._process.stdin).write(json.dumps(order).encode() + b"\n")
        _pipe(self._process.stdin).flush()
        pid = int(_pipe(self._process.stdout).readline())
        return ForkedProcess(pid, self._folder / f"{pid}")

    def close(self) -> None:
        """End it. Servers that it forked live on."""
        if self._process is not None:
            _pipe(self._process.stdin).close()
            self._process.wait()
            _pipe(self._process.stdout).close()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, self._folder],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


# --- in the forking process ---


def _fork_servers(folder: Path) -> None:
    """Read orders, a JSON line each, until there are no more; answer each with a process id."""
    import admin_server.__main__  # noqa: PLC0415 - only here, so that a test run does not import the servers' commands
    import frontend_server.__main__  # noqa: PLC0415
    import rest_server.__main__  # noqa: PLC0415

    mains = {
        "admin": admin_server.__main__.main,
        "frontend": frontend_server.__main__.main,
        "rest": rest_server.__main__.main,
    }
    gc.freeze()  # what was imported stays shared
    signal.signal(signal.SIGCHLD, lambda *_: _note_ends(folder))
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become_server(order["environment"], order["log"])
            mains[order["name"]]()
            return
        print(child, flush=True)


def _note_ends(folder: Path) -> None:
    """Write the exit status of each child that has ended into a file."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            new = folder / f"{pid}.new"
            new.write_text(f"{os.waitstatus_to_exitcode(status)}")
            new.rename(folder / f"{pid}")


def _become_server(environment: Mapping[str, str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(Path(log).parent)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["library", "serve"]


if __name__ == "__main__":
    _fork_servers(Path(sys.argv[1]))
