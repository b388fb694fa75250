"""The test service in a process of its own, which can be killed in the middle of a call."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection

from tests.support.transcoding.behaviours import RULES, Behaviours
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.server import TranscodedServer

START_SECONDS = 100.0


class ServerInAProcess:
    """Serves `behaviours.RULES`, and more rules if wanted, until it is killed."""

    def __init__(self, more: Sequence[Rule] = ()) -> None:
        """Start it, and wait until it serves. Spawned, since gRPC does not live through a fork."""
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, more), daemon=True)
        self._process.start()
        theirs.close()
        with ours:
            assert ours.poll(START_SECONDS), "the test service does not start"
            self.address: str = ours.recv()

    def kill(self) -> None:
        """Kill it, as a crash would, and wait for its end."""
        self._process.kill()
        self._process.join()
        self._process.close()


def _serve(parent: Connection, more: Sequence[Rule]) -> None:
    contract = Contract([*RULES, *more])
    server = TranscodedServer(contract, behaviours=Behaviours(contract).by_method())
    parent.send(server.address)
    server.wait()
