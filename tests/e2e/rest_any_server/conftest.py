"""library-rest before a server that is not the library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rest import RestProcess, RestServers
from tests.support.transcoding.behaviours import RULES, Behaviours
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.server import TranscodedServer


@pytest.fixture(scope="module")
def behaviours() -> Behaviours:
    return Behaviours(Contract(RULES))


@pytest.fixture(scope="module")
def server(behaviours: Behaviours) -> Iterator[TranscodedServer]:
    started = TranscodedServer(behaviours.contract, behaviours=behaviours.by_method())
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address])


@pytest.fixture(autouse=True)
def nothing_seen_yet(server: TranscodedServer, behaviours: Behaviours) -> None:
    server.take_calls()
    behaviours.tick.clear()
    behaviours.left.clear()
    behaviours.seconds_given.clear()
