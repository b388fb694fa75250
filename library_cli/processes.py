"""The services as child processes: started, watched, and stopped in order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

from library_cli.channel import connected_as_guest, health_of
from library_cli.grpc_errors import CallFailed
from library_cli.http_health import health_at
from service_kit.private_files import open_to_append

START_SECONDS = 120.0
"""The timeout of each step of a start. Migrating a large store takes some time."""

DEFAULT_GRACE_SECONDS = 10.0
"""The servers' own default of --grace: how long calls may run on after SIGTERM."""

DRAIN_SECONDS = 10.0
"""How long a service may take to stop after its grace period, before it is killed."""

LAST_LINES = 20
"""Lines at the end of a log that can explain why a service has ended. Older ones are about something in the past."""

Answer = TypeVar("Answer")


class CannotRun(Exception):
    """A service did not start, or ended. The message names the service and its log."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM came."""


@dataclass
class Service:
    """A service that this process started."""

    name: str
    """`admin`, `frontend` or `rest`."""
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    """Where in the log this run begins, in bytes."""
    grace_seconds: float
    """How long its calls may run on after SIGTERM."""

    def address(self) -> str | None:
        """Return the address on which the service listens, from its log; None before it listens.

        Only the log shows which free port the service chose, and that this process listens there and not another one.
        """
        event = self.logged("listening")
        return None if event is None else str(event["address"])

    def logged(self, event: str) -> dict[str, object] | None:
        """Return the first event of this name in the log of this run; None if it was not logged yet."""
        events = map(json_object, self.log_lines())
        return next((logged for logged in events if logged.get("event") == event), None)

    def exit_message(self) -> str:
        """Return how the process ended, with its last log line.

        If this library is running already, its service writes to the same log meanwhile. So a line that is not an event
        of ordinary work is preferred.
        """
        status = self.process.returncode
        if status < 0:
            return (
                f"The {self.name} service was killed by {signal.Signals(-status).name}: by somebody, or because "
                f"the machine ran out of memory.\nEvery change that it answered is in its store. Its log is {self.log}."
            )
        lines = [line.strip() for line in reversed(self.log_lines()) if line.strip()][:LAST_LINES]
        failures = (line for line in lines if json_object(line).get("level") not in {"debug", "info"})
        last = next(failures, lines[0] if lines else "")
        text = str(json_object(last).get("event", last)).removeprefix(f"library-{self.name}: ")
        where = (
            f"Its log is {self.log}; its settings are the variables that `library-{self.name} serve --help` names, "
            f"such as LIBRARY_{self.name.upper()}_LISTEN=HOST:PORT."
        )
        if text.startswith("cannot listen on"):
            text, where = f"{text.partition('. ')[0]}.", f"{port_hint(self.name)}\nThe log is {self.log}."
        return f"The {self.name} service ended with exit status {status}: {text or 'its log is empty'}\n{where}"

    def log_lines(self) -> list[str]:
        """Return what this run has logged so far."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode("utf-8", "replace").splitlines()


class Supervisor:
    """Starts the services as child processes, watches them and stops them."""

    def __init__(self) -> None:
        self._services: list[Service] = []
        self._is_stopping = False

    def start(self, name: str, log: Path, environment: Mapping[str, str], serves: Callable[[str], bool]) -> str:
        """Start a service, wait until `serves` is true for its address, and return this address.

        Raises CannotRun and Stopped, as `wait` does.
        """
        with open_to_append(log) as output:
            log_start = output.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", f"{name}_server", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C on a terminal signals every process of the session. We stop the services in order.
                start_new_session=True,
            )
        service = Service(name, process, log, log_start, grace_in(environment.get(f"LIBRARY_{name.upper()}_GRACE", "")))
        self._services.append(service)
        address = callable_address(self.wait_for(service.address, f"the {name} service to listen"))
        self.wait_for(lambda: serves(address) or None, f"the {name} service to serve")
        return address

    def logged(self, name: str, event: str) -> dict[str, object]:
        """Wait until a service has logged an event, and return it. Raises as `wait_for`."""
        service = next(service for service in self._services if service.name == name)
        return self.wait_for(lambda: service.logged(event), f"the {name} service to log {event!r}")

    def wait_for(self, answer: Callable[[], Answer | None], what: str, seconds: float | None = None) -> Answer:
        """Call `answer` until it returns something, and return that.

        Raises as `wait` does, and CannotRun after `seconds`, by default START_SECONDS.
        """
        seconds = START_SECONDS if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while (result := answer()) is None:
            if time.monotonic() > deadline:
                logs = ", ".join(str(service.log) for service in self._services)
                raise CannotRun(f"Waited {seconds:.0f} seconds for {what}. Look for the cause in the logs: {logs}")
            self.wait(0.1)
        return result

    def wait(self, seconds: float) -> None:
        """Wait. Raises Stopped after a signal, and CannotRun if a service has ended by itself."""
        # In short sleeps, not on an Event: a signal handler that sets the Event while its lock is taken never returns.
        deadline = time.monotonic() + seconds
        while not self._is_stopping and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._is_stopping:
            raise Stopped
        for service in self._services:
            if service.process.poll() is not None:
                raise CannotRun(service.exit_message())

    def exit_within(self, seconds: float = 1.0) -> str:
        """Return the exit message of the first service that ends by itself within `seconds`, or "" if all run."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for service in self._services:
                if service.process.poll() is not None:
                    return service.exit_message()
            time.sleep(0.02)
        return ""

    def close(self) -> list[str]:
        """Stop the services, the last started first; return the exit message of each that ended with an error."""
        complaints = []
        for service in reversed(self._services):
            if service.process.poll() is not None:
                continue
            service.process.terminate()
            try:
                service.process.wait(service.grace_seconds + DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
            if service.process.returncode:
                complaints.append(service.exit_message())
        return complaints

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let Ctrl-C, SIGTERM and a closed terminal end the waiting, so that the services are stopped in order.

        An ignored signal stays ignored, which `nohup` relies on.
        """

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._is_stopping = True

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, stop) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def port_hint(name: str) -> str:
    """Return what to do when a service cannot listen. The likeliest cause is a library that runs here already."""
    return (
        "Is the library running here already? `library status` shows it. If another program uses the port, stop it, "
        f"or choose another port: LIBRARY_{name.upper()}_LISTEN=HOST:PORT."
    )


def serves_grpc(address: str) -> bool:
    """Return whether the gRPC service at `address` is SERVING."""
    try:
        with connected_as_guest(address) as channel:
            return health_of(channel, timeout=2) == "SERVING"
    except CallFailed:
        return False


def serves_http(address: str, scheme: str = "http") -> bool:
    """Return whether the REST service at `address`, and every service behind it, is SERVING."""
    try:
        return health_at(f"{scheme}://{address}", timeout=2).status == "SERVING"
    except CallFailed:
        return False


def callable_address(address: str) -> str:
    """Return the address to call for an address to listen on: `0.0.0.0` becomes `127.0.0.1`."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]", "") else address


def grace_in(setting: str) -> float:
    """Return the seconds of a grace setting, or the default if it is invalid: then the service does not start."""
    try:
        return float(setting)
    except ValueError:
        return DEFAULT_GRACE_SECONDS


def json_object(line: str) -> dict[str, object]:
    """Return a line of a log as an object; an empty one for other lines, such as those of a traceback."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
