"""The servers as real processes: started on a free port, stopped, killed, and started again where they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.certificates import credentials_for
from tests.support.clients import AdminClient, FrontendClient, open_channel
from tests.support.forked_servers import ForkedProcess, Forkery
from tests.support.made_secrets import NotingSecrets, note_rows, note_store
from tests.support.stores import ServerName

ROOT = Path(__file__).parents[2]

START_SECONDS = 100.0
"""Long enough on the busiest machine: only what hangs takes longer."""
STOP_SECONDS = 100.0

SERVING = health_pb2.HealthCheckResponse.SERVING


class ServerDied(Exception):
    """A server ended when it should not have; the message has its log."""


NO_SOURCES = dict.fromkeys(
    ("OPEN_LIBRARY_ADDRESS", "OPEN_LIBRARY_COVERS_ADDRESS", "GOOGLE_BOOKS_ADDRESS"), "http://127.0.0.1:9"
)
"""Settings of the admin: a private address, which is refused before anything connects. Others ignore them."""


class ServingProcess(ABC):
    """One process after another of a server, on one address. Settings are variables, without their prefix."""

    def __init__(self, name: str, log: Path, settings: Mapping[str, str], forkery: Forkery | None = None) -> None:
        """With a `forkery`, it is forked from there, unless it has another command or more variables."""
        self.name = name
        self._forkery = forkery
        self.log = log
        self.settings = dict(settings)
        self.command: list[str | Path] = []
        """What starts it, in the place of the server of this name."""
        self.environment: dict[str, str] = {}
        """More variables of the process, with their full names."""
        self.address = ""
        self._listen = "127.0.0.1:0"
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it serves; the second time, on the port that it had."""
        self.launch()
        self.wait_until_serving()

    def launch(self) -> None:
        """Start it and wait for nothing."""
        assert not self.is_running
        prefix = f"LIBRARY_{self.name.upper()}_"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")},
            **{prefix + name: value for name, value in self.variables().items()},
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
            **self.environment,
        }
        self.log.touch()
        self._log_start = self.log.stat().st_size
        if self._forkery is not None and not self.command and not self.environment:
            self._process = self._forkery.fork(self.name, environment, self.log)
        else:
            self._process = self._started(environment)

    def _started(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*(self.command or [sys.executable, "-m", f"{self.name}_server"]), "serve"],
                env=environment,
                cwd=self.log.parent,  # not the tree: nothing there may be needed, and nothing be left there
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests; they stop it
            )

    def variables(self) -> dict[str, str]:
        """Its settings, as variables without their prefix."""
        return {"LISTEN": self._listen, "LOG_FORMAT": "json", **self.settings}

    def wait_until_listening(self) -> None:
        """Wait until it has logged at which address it listens."""
        self._wait_until("listen", self._is_listening)

    def wait_until_serving(self) -> None:
        """Wait until its health is SERVING."""
        self._wait_until("serve", self._is_serving)

    def stop(self) -> int:
        """Send SIGTERM and wait for the end; return the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Send SIGKILL, as a crash would be; return the exit status."""
        return self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; return the exit status."""
        assert self._process is not None
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            raise ServerDied(f"library-{self.name} did not stop:\n{self.log_tail()}") from None

    def log_events(self) -> list[dict[str, Any]]:
        """What the present process has logged, a dict a line, without other lines, such as tracebacks."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def log_tail(self, size: int = 20_000) -> str:
        """The last of the log, as text, all processes of this server one after another."""
        return f"--- {self.log} ---\n{self.log.read_bytes()[-size:].decode(errors='replace')}"

    def close(self) -> None:
        """End the process, if it runs."""
        if self.is_running:
            self.stop()

    @abstractmethod
    def _is_healthy(self) -> bool:
        """Whether its health, at its address, is SERVING."""

    def _is_listening(self) -> bool:
        listening = next((event for event in self.log_events() if event.get("event") == "listening"), None)
        if listening is None:
            return False
        self.address = self._listen = listening["address"]
        return True

    def _is_serving(self) -> bool:
        return self.is_running and self._is_listening() and self._is_healthy()

    def _wait_until(self, done: str, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_done():
            if not self.is_running:
                raise ServerDied(f"library-{self.name} ended and did not {done}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerDied(f"library-{self.name} does not {done}:\n{self.log_tail()}")
            time.sleep(0.02)

    def _end(self, number: signal.Signals) -> int:
        self.send(number)
        return self.wait()


class ServerProcess(ServingProcess):
    """A gRPC server of the library, on one store."""

    def __init__(
        self,
        name: ServerName,
        database_url: str,
        log: Path,
        settings: Mapping[str, str],
        forkery: Forkery | None = None,
    ) -> None:
        super().__init__(name, log, settings, forkery)
        self.database_url = database_url
        if settings.get("ACCESS") == "token":
            note_store(database_url)
        self._channels: list[grpc.Channel] = []

    def variables(self) -> dict[str, str]:
        """The store with the rest. Other catalogues are not asked unless a test names one: tests need no network."""
        return {"DATABASE_URL": self.database_url, **NO_SOURCES, **super().variables()}

    def channel(self) -> grpc.Channel:
        """A new channel to it, closed with it."""
        channel = open_channel(self.address, credentials_for(self.settings))
        self._channels.append(channel)
        has_tokens = self.settings.get("ACCESS") == "token"
        return grpc.intercept_channel(channel, NotingSecrets()) if has_tokens else channel

    def admin(self) -> AdminClient:
        """Stubs for it, where it is an admin."""
        assert self.name == "admin"
        return AdminClient(self.channel())

    def frontend(self) -> FrontendClient:
        """Stubs for it, where it is a frontend."""
        assert self.name == "frontend"
        return FrontendClient(self.channel())

    def close(self) -> None:
        """Close the channels; end the process, if it runs."""
        for channel in self._channels:
            channel.close()
        self._channels.clear()
        super().close()
        if self.settings.get("ACCESS") == "token":
            note_rows(self.database_url, self.log.with_suffix(".rows"))

    def _is_healthy(self) -> bool:
        with open_channel(self.address, credentials_for(self.settings)) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            try:
                # Its type stubs forget what __init__ sets.
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)  # type: ignore[attr-defined]
                return bool(answer.status == SERVING)
            except grpc.RpcError:
                return False


class Servers:
    """The server processes of a test or a module; `close` ends all."""

    def __init__(self, folder: Path, forkery: Forkery | None = None) -> None:
        """Logs go into `folder`. With a `forkery` they are forked from there."""
        self._folder = folder
        self._forkery = forkery
        self._started: list[ServerProcess] = []

    def start(self, name: ServerName, database_url: str, **settings: str) -> ServerProcess:
        """Start a server on a free port and wait until it serves. Settings are variables without their prefix.

        For example `start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2")`.
        """
        server = self.prepare(name, database_url, **settings)
        server.start()
        return server

    def prepare(self, name: ServerName, database_url: str, **settings: str) -> ServerProcess:
        """The same, not started yet."""
        log = self._folder / f"{name}-{len(self._started) + 1}.log"
        server = ServerProcess(name, database_url, log, settings, self._forkery)
        self._started.append(server)
        return server

    def close(self) -> None:
        """End all of them, the last started first, and print their logs, which pytest shows when a test failed."""
        for server in reversed(self._started):
            server.close()
            if server.log.exists():
                print(server.log_tail())
        self._started.clear()
