"""Processes that call a server as fast as it answers, and look at the status of every answer.

What counts is a call that has succeeded; load generators that look at HTTP's status alone count gRPC's refusals, too.
Requests are made before, and replies not parsed but for the first of each round: what the callers spend is taken from
the server on a small machine.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import statistics
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

import grpc
import psutil
from google.protobuf.message import Message

_SPAWN = multiprocessing.get_context("spawn")  # a forked process must not inherit a gRPC that runs

PROCESSES = 8
"""Each has one call under way."""

CALL_SECONDS = 30.0

Call = Callable[[bytes], bytes]
"""Sends a request and gives the reply; raises for any that is no success."""


class WrongReply(Exception):
    """A call succeeded, and its reply is not what was asked for; or it is no success, and no exception of gRPC's."""


class Workload(Protocol):
    """What to call, and with what."""

    @property
    def name(self) -> str:
        """What is called."""

    @property
    def requests(self) -> Sequence[bytes]:
        """As they are sent; each process takes its share of them, and begins again at the end."""

    def share(self, place: int, count: int) -> Workload:
        """What the process at `place` of `count` does."""

    def calling(self, address: str) -> AbstractContextManager[Call]:
        """Be connected to HOST:PORT."""

    def look_at(self, reply: bytes) -> None:
        """Look at the first reply of a share. Raises WrongReply."""


@dataclass(frozen=True)
class GrpcWorkload:
    """A gRPC method and what to call it with. gRPC raises for any status but OK."""

    name: str
    """For example `/library.frontend.v1.CatalogService/GetBook`."""
    requests: Sequence[bytes]
    """Serialized."""
    reply: type[Message] | None = None
    """What the reply must parse as, with at least one field set; None for an empty reply."""
    metadata: tuple[tuple[str, str], ...] = ()

    def share(self, place: int, count: int) -> GrpcWorkload:
        """Every so many-th request."""
        return GrpcWorkload(self.name, self.requests[place::count], self.reply, self.metadata)

    @contextmanager
    def calling(self, address: str) -> Iterator[Call]:
        """Call through a channel that lasts as long as the process."""
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = _channel(address).unary_unary(self.name)
        yield functools.partial(method, timeout=CALL_SECONDS, metadata=self.metadata)

    def look_at(self, reply: bytes) -> None:
        """Parse it. Raises WrongReply."""
        if self.reply is None:
            if reply:
                raise WrongReply(f"{len(reply)} bytes where none were to come")
        elif not self.reply.FromString(reply).ListFields():
            raise WrongReply("an empty message")


@functools.cache
def _channel(address: str) -> grpc.Channel:
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])


@dataclass(frozen=True)
class Round:
    """How a round of calls went."""

    calls: int
    seconds: float
    server_cpu_seconds: float
    caller_cpu_seconds: float = 0.0
    latencies: Sequence[float] = ()
    """Seconds that each call took, as its caller sees it."""

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def cpu_micros(self) -> float:
        """What a call costs the server's processes, in microseconds of processor time."""
        return self.server_cpu_seconds / self.calls * 1_000_000

    @property
    def caller_cpu_micros(self) -> float:
        """What it costs who calls."""
        return self.caller_cpu_seconds / self.calls * 1_000_000

    def latency_micros(self, percent: int) -> float:
        """The time within which so many of a hundred calls were answered, in microseconds."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1_000_000


class Callers:
    """The processes; use it in a `with`."""

    def __init__(self, processes: int = PROCESSES) -> None:
        """Start them."""
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            here, there = _SPAWN.Pipe()
            process = _SPAWN.Process(target=_serve_rounds, args=(there,), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> Callers:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    def round(
        self, address: str, server_pids: Sequence[int], workload: Workload, seconds: float, processes: int = PROCESSES
    ) -> Round:
        """Call for so many seconds from so many of the processes, and see what it costs those that answer.

        Raises the error of the first call that failed, as a RuntimeError.
        """
        pipes = self._pipes[:processes]
        for place, pipe in enumerate(pipes):
            pipe.send((address, workload.share(place, len(pipes)), seconds))
        for pipe in pipes:
            _received(pipe)  # connected, and its first reply is what was asked for
        servers = [psutil.Process(pid) for pid in server_pids]
        before, begin = sum(map(_cpu_seconds, servers)), time.perf_counter()
        for pipe in pipes:
            pipe.send("go")
        shares = [_received(pipe) for pipe in pipes]
        elapsed, after = time.perf_counter() - begin, sum(map(_cpu_seconds, servers))
        latencies = [latency for share, _ in shares for latency in share]
        return Round(len(latencies), elapsed, after - before, sum(cpu for _, cpu in shares), latencies)


def _received(pipe: Connection) -> tuple[array[float], float]:
    answer = pipe.recv()
    if isinstance(answer, str):
        raise RuntimeError(answer)
    latencies, cpu_seconds = answer
    return latencies, cpu_seconds


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _serve_rounds(pipe: Connection) -> None:
    while True:
        try:
            address, workload, seconds = pipe.recv()
        except EOFError:
            return
        try:
            with workload.calling(address) as call:
                requests = itertools.cycle(workload.requests)
                workload.look_at(call(next(requests)))
                pipe.send((array("d"), 0.0))
                pipe.recv()
                pipe.send(_called(call, requests, seconds))
        except (grpc.RpcError, OSError, WrongReply) as error:
            pipe.send(f"{workload.name}: {error}")


def _called(call: Call, requests: Iterator[bytes], seconds: float) -> tuple[array[float], float]:
    """Call one after the other; gives how long each took, and the processor time of all."""
    latencies = array("d")
    cpu_before = time.process_time()
    now = time.perf_counter()
    end = now + seconds
    for request in requests:
        call(request)
        before, now = now, time.perf_counter()
        latencies.append(now - before)
        if now > end:
            break
    return latencies, time.process_time() - cpu_before
