"""One library-rest with small bounds, before a server with methods of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.support.rest import RestProcess, RestServers
from tests.support.rest_limits import (
    FLOOD,
    GATHER,
    TALK,
    WAIT_AND_TALK,
    Start,
    assert_nothing_went_wrong,
)
from tests.support.transcoding.behaviours import RULES, Behaviours
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.server import TranscodedServer


@pytest.fixture(scope="module")
def behaviours() -> Behaviours:
    return Behaviours(Contract([*RULES, GATHER, TALK, FLOOD, WAIT_AND_TALK]))


@pytest.fixture(scope="module")
def server(behaviours: Behaviours) -> Iterator[TranscodedServer]:
    everything = behaviours.contract.message_type("Everything")

    def flood(_requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            while context.is_active():
                yield everything(text="x" * 60_000)
        finally:
            behaviours.left.set()

    def wait_and_talk(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for _ in requests:
            pass
        if not context.is_active():
            behaviours.left.set()
        yield from ()

    by_method = {**behaviours.by_method(), "Flood": flood, "WaitAndTalk": wait_and_talk}
    started = TranscodedServer(behaviours.contract, behaviours=by_method)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def nothing_seen_yet(server: TranscodedServer, behaviours: Behaviours) -> None:
    server.take_calls()
    behaviours.tick.clear()
    behaviours.left.clear()


@pytest.fixture
def start(rest_servers: RestServers, server: TranscodedServer) -> Iterator[Start]:
    """Starts a library-rest with settings of its own; none may have logged a fault by the end of the test."""
    started: list[RestProcess] = []

    def start(**settings: str) -> RestProcess:
        started.append(rest_servers.start([server.address], **settings))
        return started[-1]

    yield start
    for rest in started:
        assert_nothing_went_wrong(rest)


@pytest.fixture(scope="module")
def rest_of_all(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address], BODY_BYTES="1000", STREAM_BYTES="5000", TIMEOUT="1")


@pytest.fixture
def rest(rest_of_all: RestProcess) -> Iterator[RestProcess]:
    """One for all tests that need nothing special: bodies of 1,000 bytes, streams of 5,000, and 1 second."""
    yield rest_of_all
    assert_nothing_went_wrong(rest_of_all)
