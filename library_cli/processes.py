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

from library_cli.channel import connected, health_of
from library_cli.grpc_errors import CallFailed
from library_cli.http_health import health_at
from service_kit.private_files import open_to_append

START_SECONDS = 120.0
"""How long a service may take for each step of its start; migrating a large store needs some time."""

DEFAULT_GRACE_SECONDS = 10.0
"""The servers' own default for how long calls may go on after SIGTERM."""

DRAIN_SECONDS = 10.0
"""How long a service may take to stop, beyond the grace that it gives its calls, before it is killed."""

Answer = TypeVar("Answer")


class CannotRun(Exception):
    """A service did not start, or ended; the message says which, and where its log is."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM came."""


@dataclass
class Service:
    """A service that was started here."""

    name: str
    """`admin`, `frontend` or `rest`."""
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    """Where in the log this run begins, in bytes."""
    grace_seconds: float
    """How long it lets calls go on after SIGTERM."""

    def address(self) -> str | None:
        """Where the service says that it listens; None before it has said so.

        Its log tells, and nothing else: which port it took where it was to take a free one, and that it is this
        process that listens there and not another one that had the port first.
        """
        event = self.logged("listening")
        return None if event is None else str(event["address"])

    def logged(self, event: str) -> dict[str, object] | None:
        """Return the first event of this name that the process has logged; None where there is none yet."""
        events = map(json_object, self.log_lines())
        return next((logged for logged in events if logged.get("event") == event), None)

    def end(self) -> str:
        """Tell how the process ended, and its last words."""
        status = self.process.returncode
        if status < 0:
            return (
                f"The {self.name} service was killed by {signal.Signals(-status).name}: from outside, or because the "
                f"machine had no memory left.\nWhat it had answered is in its store. Its log is {self.log}."
            )
        last = next((line.strip() for line in reversed(self.log_lines()) if line.strip()), "")
        said = str(json_object(last).get("event", last)).removeprefix(f"library-{self.name}: ")
        where = (
            f"Its log is {self.log}; its settings are the variables that `library-{self.name} serve --help` names, "
            f"such as LIBRARY_{self.name.upper()}_LISTEN=HOST:PORT."
        )
        if said.startswith("cannot listen on"):
            said, where = f"{said.partition('. ')[0]}.", f"{elsewhere(self.name)}\nThe log is {self.log}."
        return f"The {self.name} service ended with exit status {status}: {said or 'it said nothing'}\n{where}"

    def log_lines(self) -> list[str]:
        """Give what the process has logged so far."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode("utf-8", "replace").splitlines()


class Household:
    """The services started here, and whether they are to stop."""

    def __init__(self) -> None:
        self._services: list[Service] = []
        self._is_stopping = False

    def start(self, name: str, log: Path, environment: Mapping[str, str], serves: Callable[[str], bool]) -> str:
        """Start a service, wait until it serves, and give the address under which it can be called from here.

        `serves` is asked with that address until it says so. Raises CannotRun and Stopped, as `wait` does.
        """
        with open_to_append(log) as output:
            log_start = output.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", f"{name}_server", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C on a terminal goes to every process of the session; the services are told by us, in order.
                start_new_session=True,
            )
        service = Service(name, process, log, log_start, grace_in(environment.get(f"LIBRARY_{name.upper()}_GRACE", "")))
        self._services.append(service)
        address = callable_address(self.wait_for(service.address, f"the {name} service to listen"))
        self.wait_for(lambda: serves(address) or None, f"the {name} service to serve")
        return address

    def logged(self, name: str, event: str) -> dict[str, object]:
        """Wait until a service that was started here has logged an event; return it. Raises as `wait_for`."""
        service = next(service for service in self._services if service.name == name)
        return self.wait_for(lambda: service.logged(event), f"the {name} service to say {event!r}")

    def wait_for(self, answer: Callable[[], Answer | None], what: str, seconds: float | None = None) -> Answer:
        """Ask until the answer is not None; raises as `wait` does, and CannotRun when it takes more than `seconds`.

        Those are START_SECONDS unless given.
        """
        seconds = START_SECONDS if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while (given := answer()) is None:
            if time.monotonic() > deadline:
                logs = ", ".join(str(service.log) for service in self._services)
                raise CannotRun(f"Waited {seconds:.0f} seconds for {what}, in vain; the logs may tell why: {logs}")
            self.wait(0.1)
        return given

    def wait(self, seconds: float) -> None:
        """Wait. Raises Stopped when a signal came, CannotRun when a service has ended by itself."""
        # In short sleeps, not on an Event: a handler that sets one which is about to be waited for never returns.
        deadline = time.monotonic() + seconds
        while not self._is_stopping and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._is_stopping:
            raise Stopped
        for service in self._services:
            if service.process.poll() is not None:
                raise CannotRun(service.end())

    def death(self, seconds: float = 1.0) -> str:
        """Wait a moment for a service to have ended by itself; return the sentence about it, or "" if all run."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for service in self._services:
                if service.process.poll() is not None:
                    return service.end()
            time.sleep(0.02)
        return ""

    def close(self) -> list[str]:
        """Stop the services that run, the last started first; give a sentence for each that did not end well."""
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
                complaints.append(service.end())
        return complaints

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let Ctrl-C, SIGTERM and a closed terminal end the waiting, so that the services are stopped in order.

        A signal that is ignored stays so: that is how `nohup` works.
        """

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._is_stopping = True

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, stop) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def elsewhere(name: str) -> str:
    """Return what to do when a service cannot listen. The likeliest reason is a library that runs here already."""
    return (
        "Is the library running here already? `library status` shows it. If it is another program, stop that, or choose"
        f" another port: LIBRARY_{name.upper()}_LISTEN=HOST:PORT."
    )


def serves_grpc(address: str) -> bool:
    """Whether the gRPC service at `address` says that it serves."""
    try:
        with connected(address) as channel:
            return health_of(channel, timeout=2) == "SERVING"
    except CallFailed:
        return False


def serves_http(address: str) -> bool:
    """Whether the REST service at `address` says that it serves, and so all that it stands before."""
    try:
        return health_at(f"http://{address}", timeout=2).status == "SERVING"
    except CallFailed:
        return False


def callable_address(address: str) -> str:
    """Give the address to call where a service listens: `0.0.0.0` is no place to go to, this machine is."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]", "") else address


def grace_in(setting: str) -> float:
    """Read the seconds of a grace setting; where it is not one, the service itself says so, and does not start."""
    try:
        return float(setting)
    except ValueError:
        return DEFAULT_GRACE_SECONDS


def json_object(line: str) -> dict[str, object]:
    """Read a line of a log; what is no JSON object, such as a line of a traceback, is an empty one."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
