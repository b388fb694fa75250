"""The gRPC servers behind this one, and what they offer at present."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import grpc

from rest_server.contract import Contract, compiled
from rest_server.reflection import NotLearnt, describe
from service_kit import channel
from service_kit.logs import logger

PAUSE_SECONDS = 0.2
"""Between two looks at least."""

CONNECT_SECONDS = 5.0
"""How long the first connection is waited for once the contract is known."""

RETRY_SECONDS = 1.0
"""How long after a look that failed the next one is made, while the target's contract is not known."""

OPTIONS = list((dict(channel.OPTIONS) | {"grpc.max_receive_message_length": 64 * 1024 * 1024}).items())
"""Servers of others may send larger answers than ours do."""

log = logger(__name__)


class Target:
    """A gRPC server, at HOST:PORT. Made and used in the event loop."""

    def __init__(self, address: str, interval_seconds: float) -> None:
        """Look for a changed contract every `interval_seconds`."""
        self.address = address
        self.contract: Contract | None = None
        """None until it is learnt; kept while the server is away."""
        self.channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._interval_seconds = interval_seconds
        self._look_due = asyncio.Event()
        self._problem = ""

    def look_again(self) -> None:
        """Look at the contract soon: there is a sign that it has changed."""
        self._look_due.set()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Learn the contract and keep up with it, until cancelled; `changed` is called after each change."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_when_reconnected())
            while True:
                self._look_due.clear()
                if await self._learn():
                    changed()
                wait = RETRY_SECONDS if self.contract is None else self._interval_seconds
                # Signs of change may come with every call: they hasten a look, but not without a pause.
                await asyncio.sleep(PAUSE_SECONDS)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._look_due.wait(), wait)

    async def _learn(self) -> bool:
        """Look at the contract; say whether it is another than before."""
        try:
            description = await asyncio.to_thread(describe, self.address)
            if self.contract is not None and self.contract.description == description:
                self._problem = ""
                return False
            contract = await asyncio.to_thread(compiled, self.address, description)
            if self.contract is None:
                # It may have come up a moment ago, and this channel be pausing between two attempts.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.channel.channel_ready(), CONNECT_SECONDS)
            self.contract = contract
        except (NotLearnt, ValueError) as problem:
            if str(problem) != self._problem:
                log.warning("contract not learnt", target=self.address, problem=str(problem))
            self._problem = str(problem)
            return False
        except Exception as fault:
            # What a target says of itself may be anything. One that confuses us must not keep us from looking again.
            if str(fault) != self._problem:
                log.exception("contract not understood", target=self.address)
            self._problem = str(fault)
            return False
        self._problem = ""
        names = [service.type_name for service in self.contract.services]
        log.info("contract learnt", target=self.address, services=names, rules=len(self.contract.rules))
        return True

    async def _look_when_reconnected(self) -> None:
        """A server that was away may have come back as another version."""
        state = self.channel.get_state(try_to_connect=True)
        while True:
            await self.channel.wait_for_state_change(state)
            state = self.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                self.look_again()
