"""The gRPC servers behind this one, and what they offer at present."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial

import grpc

from rest_server.contracts.contract import Contract, compiled
from rest_server.contracts.reflection import Description, NotLearnt, describe
from rest_server.logs import logger
from rest_server.settings import Learning

CONTRACTS_KEPT = 4
"""Of a target, the last ones. Their classes are never freed, so one that comes back is better not made anew."""

OPTIONS = [
    # A lost server is looked for again within two seconds, and not after minutes as by default.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection without a sign of life, as when a machine lost its power, is closed after 20 seconds. TCP takes a
    # quarter of an hour.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A proxy that is set for the web does not know these servers.
    ("grpc.enable_http_proxy", 0),
]
"""Of each channel to a target."""

log = logger(__name__)


class NotUnderstood(NotLearnt):
    """What a target says of itself confuses us; the cause has the traceback."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(f"what it says of itself is not understood: {fault!r}")


class Target:
    """A gRPC server, at HOST:PORT. Made and used in the event loop."""

    def __init__(self, address: str, learning: Learning) -> None:
        self.address = address
        self.contract: Contract | None = None
        """None until it is learnt; kept while the server is away."""
        self.channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._learning = learning
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
                wait = self._learning.retry_seconds if self.contract is None else self._learning.interval_seconds
                # Signs of change may come with every call: they hasten a look, but not without a pause.
                await asyncio.sleep(self._learning.pause_seconds)
                with suppress(TimeoutError):
                    # Not by wait_for, which in Python 3.11 loses a cancellation that comes with the event.
                    async with asyncio.timeout(wait):
                        await self._look_due.wait()

    async def _learn(self, changed: Callable[[], None]) -> None:
        """Look at the contract; what it was before stands where it cannot be learnt."""
        try:
            # Closed also when this is cancelled: the thread ends then, which the end of the process waits for.
            with grpc.insecure_channel(self.address, options=OPTIONS) as asking:
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
            description = describe(asking, self._learning)
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
                async with asyncio.timeout(self._learning.connect_seconds):
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
