"""Keepalive pings: as often as clients send them, and not more often."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from service_kit.server import OPTIONS, PING_SECONDS
from tests.support.http2_pings import PingingClient
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases

SECONDS = 100.0
INTERVAL = "grpc.http2.min_ping_interval_without_data_ms"


@pytest.fixture(scope="module")
def server(module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    """One of the two servers, whose options are the same."""
    return module_servers.start("admin", databases.migrated("admin", "sqlite"))


def test_pings_every_5_seconds_are_allowed_by_the_options() -> None:
    """grpc-go sends one every 10 seconds at most, and often a little early."""
    assert PING_SECONDS == 5
    assert dict(OPTIONS)[INTERVAL] < 5_000


def test_the_options_are_ones_that_grpc_knows() -> None:
    """It ignores others without a word: one was misspelt, so that pings could come every five minutes."""
    hurried = [(name, 100 if name == INTERVAL else value) for name, value in OPTIONS]
    threads = ThreadPoolExecutor(1)
    server = grpc.server(threads, options=hurried)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with PingingClient(f"127.0.0.1:{port}") as client:
        for count in range(1, 9):
            client.ping()
            client.wait_for_acknowledged(count, SECONDS)
            assert not client.has_ended.wait(0.11), client.goaway
    server.stop(None).wait()
    threads.shutdown()


def test_a_flood_of_pings_still_ends_the_connection(server: ServerProcess) -> None:
    with PingingClient(server.address) as client:
        for _ in range(10):
            client.ping()
        assert client.has_ended.wait(SECONDS)
        # A reset of the connection, for the pings that the server did not read, can overtake the GOAWAY.
        assert client.goaway in (b"too_many_pings", b"")


@pytest.mark.slow
def test_pings_every_5_seconds_end_no_connection(server: ServerProcess) -> None:
    """In real time, with a call and without one."""
    with PingingClient(server.address) as idle, PingingClient(server.address) as calling:
        calling.watch_health()
        for count in range(1, 9):
            for client in (idle, calling):
                client.ping()
                client.wait_for_acknowledged(count, SECONDS)
            began = time.monotonic()
            for client in (idle, calling):
                client.has_ended.wait(max(0, began + PING_SECONDS - time.monotonic()))
                assert not client.has_ended.is_set(), client.goaway
