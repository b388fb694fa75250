"""Processes that call a server as fast as it answers, and check the status of every answer.

Only successful calls count. (Load generators that check only the HTTP status also count refusals of gRPC.) Requests are
made in advance, and only the first reply of each round is parsed: on a small machine, the callers' processor time slows
the server.
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

_SPAWN = multiprocessing.get_context("spawn")  # a forked process must not inherit a running gRPC

PROCESSES = 8
"""Each makes one call at a time."""

CALL_SECONDS = 30.0

Call = Callable[[bytes], bytes]
"""Sends a request and returns the reply; raises for every status but success."""


class WrongReply(Exception):
    """A call succeeded with a wrong reply, or failed without an exception of gRPC."""


class Workload(Protocol):
    """What to call, and the requests."""

    @property
    def name(self) -> str:
        """The method or path."""

    @property
    def requests(self) -> Sequence[bytes]:
        """The serialized requests. Each process sends its share repeatedly."""

    def share(self, place: int, count: int) -> Workload:
        """Return the share of the process at `place` of `count`."""

    def calling(self, address: str) -> AbstractContextManager[Call]:
        """Connect to HOST:PORT."""

    def look_at(self, reply: bytes) -> None:
        """Check the first reply of a share. Raises WrongReply."""


@dataclass(frozen=True)
class GrpcWorkload:
    """A gRPC method and what to call it with. gRPC raises for any status but OK."""

    name: str
    """For example `/library.frontend.v1.CatalogService/GetBook`."""
    requests: Sequence[bytes]
    """Serialized."""
    reply: type[Message] | None = None
    """The type of the reply, which has at least one field set; None for an empty reply."""
    metadata: tuple[tuple[str, str], ...] = ()

    def share(self, place: int, count: int) -> GrpcWorkload:
        """Return every `count`th request, beginning at `place`."""
        return GrpcWorkload(self.name, self.requests[place::count], self.reply, self.metadata)

    @contextmanager
    def calling(self, address: str) -> Iterator[Call]:
        """Call through a channel that lasts as long as the process."""
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = _channel(address).unary_unary(self.name)
        yield functools.partial(method, timeout=CALL_SECONDS, metadata=self.metadata)

    def look_at(self, reply: bytes) -> None:
        if self.reply is None:
            if reply:
                raise WrongReply(f"{len(reply)} bytes instead of an empty reply")
        elif not self.reply.FromString(reply).ListFields():
            raise WrongReply("an empty message")


@functools.cache
def _channel(address: str) -> grpc.Channel:
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])


@dataclass(frozen=True)
class Round:
    """The result of a round of calls."""

    calls: int
    seconds: float
    server_cpu_seconds: float
    caller_cpu_seconds: float = 0.0
    latencies: Sequence[float] = ()
    """The seconds of each call, measured by its caller."""

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def cpu_micros(self) -> float:
        """The processor time of the server's processes for a call, in microseconds."""
        return self.server_cpu_seconds / self.calls * 1_000_000

    @property
    def caller_cpu_micros(self) -> float:
        """The processor time of the caller for a call, in microseconds."""
        return self.caller_cpu_seconds / self.calls * 1_000_000

    def latency_micros(self, percent: int) -> float:
        """Return the time within which `percent` of the calls were answered, in microseconds."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1_000_000


class Callers:
    """The calling processes, a context manager."""

    def __init__(self, processes: int = PROCESSES) -> None:
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
        """Call for `seconds` from `processes`, and measure the processor time of the servers.

        Raises the error of the first call that failed, as a RuntimeError.
        """
        pipes = self._pipes[:processes]
        for place, pipe in enumerate(pipes):
            pipe.send((address, workload.share(place, len(pipes)), seconds))
        for pipe in pipes:
            _received(pipe)  # connected, and its first reply is correct
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
    """Call one after the other; return the seconds of each call, and the processor time of all."""
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
