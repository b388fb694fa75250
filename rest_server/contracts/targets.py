"""The gRPC servers behind this one, and what they offer at present."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial

import grpc

from rest_server.contracts.contract import Contract, compiled
from rest_server.contracts.reflection import Description, NotLearnt, describe
from service_kit import channel
from service_kit.logs import logger

PAUSE_SECONDS = 0.2
"""Between two looks at least."""

CONNECT_SECONDS = 5.0
"""How long the first connection is waited for once the contract is known."""

RETRY_SECONDS = 1.0
"""How long after a look that failed the next one is made, while the target's contract is not known."""

CONTRACTS_KEPT = 4
"""Of a target, the last ones. Their classes are never freed, so one that comes back is better not made anew."""

OPTIONS = list((dict(channel.OPTIONS) | {"grpc.max_receive_message_length": 64 * 1024 * 1024}).items())
"""Servers of others may send larger answers than ours do."""

log = logger(__name__)


class NotUnderstood(NotLearnt):
    """What a target says of itself confuses us; the cause has the traceback."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(f"what it says of itself is not understood: {fault!r}")


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
        self._compiled = lru_cache(CONTRACTS_KEPT)(partial(compiled, address))
        self._rejected: dict[Description | None, str] = {}
        """The last that was not understood, and why: each attempt may cost memory, so that it is not made again."""

    def look_again(self) -> None:
        """Look at the contract soon: there is a sign that it has changed."""
        self._look_due.set()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Learn the contract and keep up with it, until cancelled; `changed` is called after each change."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_when_reconnected())
            while True:
                self._look_due.clear()
                await self._learn(changed)
                wait = RETRY_SECONDS if self.contract is None else self._interval_seconds
                # Signs of change may come with every call: they hasten a look, but not without a pause.
                await asyncio.sleep(PAUSE_SECONDS)
                with suppress(TimeoutError):
                    # Not by wait_for, which in Python 3.11 loses a cancellation that comes with the event.
                    async with asyncio.timeout(wait):
                        await self._look_due.wait()

    async def _learn(self, changed: Callable[[], None]) -> None:
        """Look at the contract; what it was before stands where it cannot be learnt."""
        try:
            # Closed also when this is cancelled: the thread ends then, which the end of the process waits for.
            with channel.open_channel(self.address) as asking:
                contract = await asyncio.to_thread(self._look, asking)
            if contract is not self.contract:
                await self._take(contract, changed)
            self._problem = ""
        except NotLearnt as problem:
            if str(problem) != self._problem:
                told = log.exception if isinstance(problem, NotUnderstood) else log.warning
                told("contract not learnt", target=self.address, problem=str(problem))
            self._problem = str(problem)

    def _look(self, asking: grpc.Channel) -> Contract:
        """Ask for the contract and understand it, in a thread.

        Raises NotLearnt and nothing else: what a target says of itself may be anything, and a StopIteration, say, would
        never come out of the thread.
        """
        description = None
        try:
            description = describe(asking)
            if description not in self._rejected:
                return self._compiled(description)
        except NotLearnt:
            raise
        except Exception as fault:
            problem = NotUnderstood(fault)
            self._rejected = {description: str(problem)}
            raise problem from fault
        raise NotLearnt(self._rejected[description])

    async def _take(self, contract: Contract, changed: Callable[[], None]) -> None:
        """Serve by another contract from now on. Raises NotUnderstood where that fails."""
        before = self.contract
        if before is None:
            # It may have come up a moment ago, and this channel be pausing between two attempts.
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self.channel.channel_ready()
        self.contract = contract
        try:
            changed()
        except Exception as fault:
            self.contract = before
            raise NotUnderstood(fault) from fault
        names = [service.type_name for service in contract.services]
        log.info("contract learnt", target=self.address, services=names, rules=len(contract.rules))

    async def _look_when_reconnected(self) -> None:
        """A server that was away may have come back as another version."""
        state = self.channel.get_state(try_to_connect=True)
        while True:
            await self.channel.wait_for_state_change(state)
            state = self.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                self.look_again()
