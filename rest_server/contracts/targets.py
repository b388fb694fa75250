"""The gRPC servers behind this one, and their present contracts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial

import grpc

from rest_server.contracts.contract import Contract, compiled
from rest_server.contracts.reflection import ContractUnread, Description, describe
from rest_server.logs import logger
from rest_server.settings import Learning, TargetFiles
from rest_server.tls import TargetTls, TlsSettingsError

CONTRACTS_KEPT = 4
"""The last ones of a target. protobuf-py never frees classes, so a contract that comes back is not compiled again."""

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

CLOSE_SECONDS = 3_700.0
"""From the replacement of a channel to its end. Requests that began before have ended: --timeout is at most an hour."""

PLAIN_TEXT = TargetFiles()

log = logger(__name__)


class ContractUnusable(ContractUnread):
    """The description of a target cannot be used; the cause has the traceback."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(f"its description cannot be used: {fault!r}")


class Target:
    """A gRPC server at HOST:PORT. Create and use it in the event loop."""

    def __init__(self, address: str, learning: Learning, files: TargetFiles = PLAIN_TEXT) -> None:
        """Open a channel. Raises TlsSettingsError."""
        self.address = address
        self._tls = TargetTls(files)
        self._marks = self._tls.marks()
        self.contract: Contract | None = None
        """None until it has been read; kept while the server is away."""
        self.channel = self._opened()
        self._learning = learning
        self._read_due = asyncio.Event()
        self._problem = ""
        self._compiled = lru_cache(CONTRACTS_KEPT)(partial(compiled, address))
        self._rejected: dict[Description | None, str] = {}
        """The last description that cannot be used, and why. Each attempt can cost memory, so there is only one."""

    def read_soon(self) -> None:
        """Read the contract again soon, as there is a sign that it has changed."""
        self._read_due.set()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Read the contract again and again until cancelled; call `changed` after each change."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._read_when_reconnected())
            while True:
                self._read_due.clear()
                previous = self.channel
                if self._opens_again():
                    changed()
                    watching.cancel()
                    watching = tasks.create_task(self._read_when_reconnected())
                    tasks.create_task(_close_later(previous))
                await self._read(changed)
                wait = self._learning.retry_seconds if self.contract is None else self._learning.interval_seconds
                # Signs of change can come with every call, so there is a pause between two reads.
                await asyncio.sleep(self._learning.pause_seconds)
                with suppress(TimeoutError):
                    # Not by wait_for, which in Python 3.11 loses a cancellation that comes with the event.
                    async with asyncio.timeout(wait):
                        await self._read_due.wait()

    def _opened(self) -> grpc.aio.Channel:
        """Open a channel with the present certificates. Raises TlsSettingsError."""
        credentials = self._tls.credentials()
        if credentials is None:
            return grpc.aio.insecure_channel(self.address, options=OPTIONS)
        return grpc.aio.secure_channel(self.address, credentials, options=OPTIONS)

    def _opened_for_reading(self) -> grpc.Channel:
        credentials = self._tls.credentials()
        if credentials is None:
            return grpc.insecure_channel(self.address, options=OPTIONS)
        return grpc.secure_channel(self.address, credentials, options=OPTIONS)

    def _opens_again(self) -> bool:
        """Open another channel if the certificates have changed, as a channel keeps those that it was opened with."""
        marks = self._tls.marks()
        if marks == self._marks:
            return False
        try:
            self.channel = self._opened()
        except TlsSettingsError as problem:
            self._report(problem)
            return False
        self._marks = marks
        return True

    async def _read(self, changed: Callable[[], None]) -> None:
        """Read the contract. If that fails, the present one is kept."""
        try:
            # Also closed on cancellation, so that the thread ends, which the end of the process waits for.
            with self._opened_for_reading() as channel:
                contract = await asyncio.to_thread(self._compiled_from, channel)
            if contract is not self.contract:
                await self._use(contract, changed)
            self._problem = ""
        except (ContractUnread, TlsSettingsError) as problem:
            self._report(problem)

    def _report(self, problem: Exception) -> None:
        if str(problem) != self._problem:
            write = log.exception if isinstance(problem, ContractUnusable) else log.warning
            write("contract not read", target=self.address, problem=str(problem))
        self._problem = str(problem)

    def _compiled_from(self, channel: grpc.Channel) -> Contract:
        """Read and compile the contract, in a thread.

        Raises ContractUnread and nothing else: a description can cause any exception, and a StopIteration would never
        leave the thread.
        """
        description = None
        try:
            description = describe(channel, self._learning)
            if description not in self._rejected:
                return self._compiled(description)
        except ContractUnread:
            raise
        except Exception as fault:
            problem = ContractUnusable(fault)
            self._rejected = {description: str(problem)}
            raise problem from fault
        raise ContractUnread(self._rejected[description])

    async def _use(self, contract: Contract, changed: Callable[[], None]) -> None:
        """Serve another contract from now on. Raises ContractUnusable if that fails."""
        before = self.contract
        if before is None:
            # The target may have started a moment ago, while this channel waits before its next attempt.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._learning.connect_seconds):
                    await self.channel.channel_ready()
        self.contract = contract
        try:
            changed()
        except Exception as fault:
            self.contract = before
            raise ContractUnusable(fault) from fault
        names = [service.type_name for service in contract.services]
        log.info("contract read", target=self.address, services=names, rules=len(contract.rules))

    async def _read_when_reconnected(self) -> None:
        """Read the contract after each new connection, as the server can be another version."""
        state = self.channel.get_state(try_to_connect=True)
        while True:
            await self.channel.wait_for_state_change(state)
            state = self.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                self.read_soon()


async def _close_later(channel: grpc.aio.Channel) -> None:
    """Close a channel when no request can use it any more."""
    try:
        await asyncio.sleep(CLOSE_SECONDS)
    finally:
        await channel.close()
