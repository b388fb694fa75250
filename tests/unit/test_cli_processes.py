"""Services are started, watched and stopped: with small programs in their places that go wrong in every way."""

from __future__ import annotations

import os
import signal
import socket
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from library_cli import processes
from library_cli.processes import CannotRun, Stopped, Supervisor, callable_address

SERVES = """
    import signal, sys
    # Not a handler that sets an Event: it waits for ever when it runs while the main thread begins to wait for that.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    from concurrent.futures import ThreadPoolExecutor
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print('{{"event": "listening", "address": "0.0.0.0:%d"}}' % port, file=sys.stderr, flush=True)
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    signal.sigwait([signal.SIGTERM])
    {at_the_end}
"""


SERVES_HTTP_THE_THIRD_TIME = """
    import sys
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Healthz(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self):
            Healthz.asked += 1
            serves = self.path == "/healthz" and self.asked > 2
            self.send_response(200 if serves else 503)
            self.end_headers()
            self.wfile.write(b'{"status": "%s", "targets": {}}' % (b"SERVING" if serves else b"NOT_SERVING"))

    server = HTTPServer(("127.0.0.1", 0), Healthz)
    print('{"event": "listening", "address": "127.0.0.1:%d"}' % server.server_port, file=sys.stderr, flush=True)
    server.serve_forever()
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:  # which reads its logs in that folder to the end
    started = Supervisor()
    yield started
    started.close()


def start(supervisor: Supervisor, folder: Path, program: str, name: str = "trial", **variables: str) -> str:
    settings = settings_for(folder, program, name) | variables
    return supervisor.start(name, folder / f"{name}.log", settings, processes.serves_grpc)


def settings_for(folder: Path, program: str, name: str = "trial") -> dict[str, str]:
    """Write the program as the package of a service, and return the variables with which it is found."""
    package = folder / f"{name}_server"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(textwrap.dedent(program))
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}


def test_the_address_is_that_of_this_run_and_can_be_called(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "trial.log").write_text('{"event": "listening", "address": "127.0.0.1:1"}\n')
    address = start(supervisor, tmp_path, SERVES.format(at_the_end=""))
    host, port = address.split(":")
    assert (host, int(port) > 1) == ("127.0.0.1", True)
    socket.create_connection((host, int(port)), timeout=5).close()
    assert supervisor.close() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_service_over_http_is_waited_for_until_its_health_is_serving(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "trial.log"
    asked: list[bool] = []

    def serves(address: str) -> bool:
        asked.append(processes.serves_http(address))
        return asked[-1]

    supervisor.start("trial", log, settings_for(tmp_path, SERVES_HTTP_THE_THIRD_TIME), serves)
    assert asked == [False, False, True]


def test_a_service_that_does_not_start_is_reported_with_its_last_lines_and_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with pytest.raises(CannotRun) as failure:
        start(supervisor, tmp_path, "import sys; sys.exit('library-trial: cannot listen on 127.0.0.1:1: it is taken')")
    assert "The trial service ended with exit status 1: cannot listen on 127.0.0.1:1: it is taken" in str(failure.value)
    assert str(tmp_path / "trial.log") in str(failure.value)
    assert "LIBRARY_TRIAL_LISTEN=HOST:PORT" in str(failure.value)


def test_lines_of_another_process_in_the_same_log_do_not_hide_the_reason(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    program = """
        import sys
        print("library-trial: cannot listen on 127.0.0.1:1: it is taken", file=sys.stderr)
        print('{"event": "answered", "level": "info"}', file=sys.stderr)
        sys.exit(1)
    """
    with pytest.raises(CannotRun, match="cannot listen on 127"):
        start(supervisor, tmp_path, program)


def test_a_service_that_dies_later_is_reported(supervisor: Supervisor, tmp_path: Path) -> None:
    start(supervisor, tmp_path, SERVES.format(at_the_end=""), name="lasting")
    waits = "signal.sigwait([signal.SIGTERM])"
    dies = SERVES.format(at_the_end="").replace(waits, "signal.sigtimedwait([signal.SIGTERM], 1); sys.exit(3)")
    start(supervisor, tmp_path, dies)
    with pytest.raises(CannotRun, match="The trial service ended with exit status 3"):
        supervisor.wait_for(lambda: None, "its end")


def test_a_service_that_never_listens_is_given_up(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.5)
    with pytest.raises(CannotRun, match=r"for the trial service to listen\. .*trial\.log"):
        start(supervisor, tmp_path, "import time; time.sleep(60)")


def test_a_signal_ends_the_waiting(supervisor: Supervisor) -> None:
    with supervisor.stopped_by_signals():
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGTERM]).start()
        with pytest.raises(Stopped):
            supervisor.wait(30)


def test_a_signal_that_is_ignored_stays_ignored(supervisor: Supervisor) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with supervisor.stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            supervisor.wait(0.1)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_service_that_does_not_stop_is_killed_after_its_grace(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "DRAIN_SECONDS", 0.2)
    start(
        supervisor,
        tmp_path,
        SERVES.format(at_the_end="__import__('time').sleep(60)"),
        LIBRARY_TRIAL_GRACE="0.3",
    )
    began = time.monotonic()
    [complaint] = supervisor.close()
    assert 0.5 <= time.monotonic() - began < 10
    assert "The trial service was killed by SIGKILL" in complaint


@pytest.mark.parametrize(
    ("listens", "called"),
    [
        ("127.0.0.1:5", "127.0.0.1:5"),
        ("0.0.0.0:5", "127.0.0.1:5"),
        ("[::]:5", "127.0.0.1:5"),
        ("[::1]:5", "[::1]:5"),
        ("library.example:5", "library.example:5"),
    ],
)
def test_an_address_to_listen_on_is_made_one_to_call(listens: str, called: str) -> None:
    assert callable_address(listens) == called
