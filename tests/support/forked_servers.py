"""Server processes that start at once: each is forked from one that has imported all they need, and nothing more.

Importing takes a second of a core, and these tests kill and start servers a hundred times. From the fork on, a server
is what `library-… serve` is: its own process, settings and `main`. Run as a module, this is the forking one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.support.processes import ROOT, STOP_SECONDS, ServerDied, ServerProcess, Servers
from tests.support.stores import ServerName


class Forkery:
    """The process from which servers are forked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def fork(self, name: str, environment: Mapping[str, str], log: Path) -> int:
        """Start a server; return its process id."""
        order = {"name": name, "environment": dict(environment), "log": str(log)}
        _pipe(self._process.stdin).write(json.dumps(order).encode() + b"\n")
        _pipe(self._process.stdin).flush()
        return int(_pipe(self._process.stdout).readline())

    def close(self) -> None:
        """End it. Servers that it forked live on."""
        _pipe(self._process.stdin).close()
        self._process.wait()
        _pipe(self._process.stdout).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


class ForkedServer(ServerProcess):
    """A server process that was forked."""

    def __init__(
        self, forkery: Forkery, name: ServerName, database_url: str, log: Path, settings: Mapping[str, str]
    ) -> None:
        super().__init__(name, database_url, log, settings)
        self._forkery = forkery
        self._pid = 0

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def is_running(self) -> bool:
        if not self._pid:
            return False
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True

    def launch(self) -> None:
        assert not self.is_running
        self.log.touch()
        self._log_start = self.log.stat().st_size
        environment = {f"LIBRARY_{self.name.upper()}_{name}": value for name, value in self.variables().items()}
        self._pid = self._forkery.fork(self.name, environment, self.log)

    def send(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def wait(self) -> int:
        """Wait for its end. Only the forkery gets its exit status: this returns 0."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.is_running:
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
                raise ServerDied(f"library-{self.name} did not stop:\n{self.log_tail()}")
            time.sleep(0.002)
        return 0


class ForkedServers(Servers):
    """The servers of a test; `close` ends all."""

    def __init__(self, forkery: Forkery, folder: Path) -> None:
        super().__init__(folder)
        self._forkery = forkery

    def prepare(self, name: ServerName, database_url: str, **settings: str) -> ServerProcess:
        log = self._folder / f"{name}-{len(self._started) + 1}.log"
        server = ForkedServer(self._forkery, name, database_url, log, settings)
        self._started.append(server)
        return server


def _fork_servers() -> None:
    """Read orders, a JSON line each, until there are no more; answer each with a process id."""
    import admin_server.__main__  # noqa: PLC0415 - only here, so that a test run does not import both servers' commands
    import frontend_server.__main__  # noqa: PLC0415

    mains = {"admin": admin_server.__main__.main, "frontend": frontend_server.__main__.main}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become_server(mains[order["name"]], order["environment"], order["log"])
        print(child, flush=True)


def _become_server(main: Any, environment: Mapping[str, str], log: str) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(Path(log).parent)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.update(environment)
    sys.argv = ["library", "serve"]
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _fork_servers()
