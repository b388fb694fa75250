"""A real pgbouncer before a PostgreSQL server of ours, in any of its modes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.third_party import require

START_SECONDS = 100.0


class Pgbouncer:
    """A running pgbouncer. Its clients need no password, and are the user `postgres` to the server."""

    def __init__(self, folder: Path, server_url: str, settings: dict[str, str]) -> None:
        """Use `running_pgbouncer`."""
        self._configuration = folder / "pgbouncer.ini"
        self._log = folder / "log"
        self._server = urlsplit(server_url)
        self._settings = settings
        self.port = free_port()
        self._configure()
        # The server's sockets are in its folder, which is for its own user.
        owner = Path(parse_qs(self._server.query)["host"][0]).owner()
        self._process = start_unprivileged(["pgbouncer", str(self._configuration)], self._log, owner)
        self._wait_until_listening()

    def url(self, database: str) -> str:
        """Where a database of the server is, through this pgbouncer."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def reconfigure(self, **settings: str) -> None:
        """Change settings while it runs."""
        self._settings |= settings
        self._configure()
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it and all connections through it."""
        self._process.kill()
        self._process.wait()

    def _configure(self) -> None:
        parameters = parse_qs(self._server.query)
        host, port = parameters["host"][0], self._server.port or 5432
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            **self._settings,
        }
        lines = [
            "[databases]",
            f"* = host={host} port={port} user=postgres",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in settings.items()),
        ]
        self._configuration.write_text("\n".join(lines) + "\n")

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"pgbouncer does not listen:\n{self._log.read_text()}") from error
                time.sleep(0.02)
            else:
                return


@contextmanager
def running_pgbouncer(server_url: str, **settings: str) -> Iterator[Pgbouncer]:
    """Start a pgbouncer before a server; stop it at the end. Skips the test where the program is missing."""
    os.environ["PATH"] += ":/usr/sbin" if "/usr/sbin" not in os.environ["PATH"].split(":") else ""
    require("pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="library-pgbouncer-"))
    folder.chmod(0o755)
    try:
        pgbouncer = Pgbouncer(folder, server_url, settings)
        try:
            yield pgbouncer
        finally:
            pgbouncer.stop()
    finally:
        shutil.rmtree(folder)


def start_unprivileged(command: list[str], log: Path, user: str) -> subprocess.Popen[bytes]:
    """Start a program that refuses to run as root, as another user where this is root; it is killed when we end."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [*as_user(user, "--pdeathsig=KILL"), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the tests; they stop it
        )


def as_user(user: str, *options: str) -> list[str]:
    """What to write before a command so that it runs as this user."""
    switch = [f"--reuid={user}", f"--regid={group_of(user)}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *switch, *options, "--"]


def group_of(user: str) -> str:
    """The number of a user's own group."""
    return subprocess.run(["id", "--group", user], check=True, capture_output=True, text=True).stdout.strip()


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
