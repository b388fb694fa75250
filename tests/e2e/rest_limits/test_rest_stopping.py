"""How library-rest stops."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from signal import SIGINT

import pytest

from tests.support.processes import ROOT
from tests.support.rest import refusal_in
from tests.support.rest_limits import (
    SOON,
    Connection,
    Start,
)
from tests.support.transcoding.behaviours import Behaviours
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually


def test_running_calls_end_and_no_other_begins(start: Start, behaviours: Behaviours) -> None:
    rest = start()
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool, Connection(rest) as idle:
        idle.send("GET /v1/echo/a HTTP/1.1")
        assert idle.answer().status == 200
        running = pool.submit(rest.request, "GET", "/v1/sleep?seconds=1.5")
        eventually(lambda: behaviours.seconds_given != [], "the call runs")
        begin = time.monotonic()
        status = pool.submit(rest.stop)
        assert idle.seconds_until_closed() < 1  # waits for nothing
        host, _, port = rest.address.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        assert running.result().status == 200
        assert status.result() == 0
        assert 1 < time.monotonic() - begin < 1 + SOON


def test_ctrl_c_stops_it_in_order(start: Start) -> None:
    rest = start()
    rest.send(SIGINT)
    assert rest.wait() == 0


def test_a_call_that_outlives_the_grace_is_refused_with_the_reason(start: Start, behaviours: Behaviours) -> None:
    rest = start(GRACE="1")
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(rest.request, "GET", "/v1/sleep?seconds=20")
        eventually(lambda: behaviours.seconds_given != [], "the call runs")
        begin = time.monotonic()
        assert rest.stop() == 0
        assert time.monotonic() - begin < 1 + SOON
        answer = running.result()
    assert (answer.status, answer.refusal.reason) == (503, "STOPPING")
    assert behaviours.left.wait(SOON), "the target goes on"


def test_a_stream_that_outlives_the_grace_ends_with_the_reason(start: Start, behaviours: Behaviours) -> None:
    rest = start(GRACE="1")
    behaviours.tick.set()
    with rest.answering("GET", "/v1/ticks") as response:
        assert json.loads(response.readline())["int32Value"] == 1
        with ThreadPoolExecutor() as pool:
            status = pool.submit(rest.stop)
            last = response.read().splitlines()[-1]
            assert status.result() == 0
    assert refusal_in(json.loads(last)).reason == "STOPPING"


def test_a_port_that_is_taken_is_reported_in_one_sentence(start: Start, server: TranscodedServer) -> None:
    taken = start().address
    command = [sys.executable, "-m", "rest_server", "serve", "--listen", taken, "--target", server.address]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    (printed,) = ended.stderr.splitlines()
    assert printed.startswith(f"library-rest: cannot listen on {taken}: ")
