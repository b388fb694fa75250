"""Processes that call a server as fast as it answers, and look at the status of every answer.

gRPC raises for any status but OK, so a call that is counted has succeeded; an HTTP tool would count refusals, too.
Requests are made before, and replies not parsed but for the first of each round: what the callers spend is taken from
the server on a small machine.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import grpc
import psutil
from google.protobuf.message import Message

_SPAWN = multiprocessing.get_context("spawn")  # a forked process must not inherit a gRPC that runs

PROCESSES = 8
"""Each has one call under way."""

CALL_SECONDS = 30.0


@dataclass(frozen=True)
class Workload:
    """A method and what to call it with."""

    method: str
    """For example `/library.frontend.v1.CatalogService/GetBook`."""
    requests: Sequence[bytes]
    """Serialized; each process takes its share of them, and begins again at the end."""
    reply: type[Message] | None = None
    """What the reply must parse as, with at least one field set; None for an empty reply."""


@dataclass(frozen=True)
class Round:
    """How a round of calls went."""

    calls: int
    seconds: float
    server_cpu_seconds: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def cpu_micros(self) -> float:
        """What a call costs the server's process, in microseconds of processor time."""
        return self.server_cpu_seconds / self.calls * 1_000_000


class WrongReply(Exception):
    """A call succeeded, and its reply is not what was asked for."""


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

    def round(self, address: str, server_pid: int, workload: Workload, seconds: float) -> Round:
        """Call for so many seconds. Raises the `grpc.RpcError` of the first call that failed, as a RuntimeError."""
        count = len(self._pipes)
        for place, pipe in enumerate(self._pipes):
            share = Workload(workload.method, workload.requests[place::count], workload.reply)
            pipe.send((address, share, seconds))
        for pipe in self._pipes:
            pipe.recv()  # connected, and its first reply is what was asked for
        server = psutil.Process(server_pid)
        before, begin = _cpu_seconds(server), time.perf_counter()
        for pipe in self._pipes:
            pipe.send("go")
        calls = 0
        for pipe in self._pipes:
            answer = pipe.recv()
            if isinstance(answer, str):
                raise RuntimeError(answer)
            calls += answer
        return Round(calls, time.perf_counter() - begin, _cpu_seconds(server) - before)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _serve_rounds(pipe: Connection) -> None:
    channels: dict[str, grpc.Channel] = {}
    while True:
        try:
            address, workload, seconds = pipe.recv()
        except EOFError:
            return
        if address not in channels:
            channels[address] = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channels[address].unary_unary(workload.method)
        requests = itertools.cycle(workload.requests)
        try:
            _look_at(call(next(requests), timeout=CALL_SECONDS), workload)
            pipe.send("ready")
            pipe.recv()
            end, calls = time.perf_counter() + seconds, 0
            for request in requests:
                call(request, timeout=CALL_SECONDS)
                calls += 1
                if time.perf_counter() > end:
                    break
            pipe.send(calls)
        except (grpc.RpcError, WrongReply) as error:
            pipe.send(f"{workload.method}: {error}")


def _look_at(reply: bytes, workload: Workload) -> None:
    if workload.reply is None:
        if reply:
            raise WrongReply(f"{len(reply)} bytes where none were to come")
    elif not workload.reply.FromString(reply).ListFields():
        raise WrongReply("an empty message")
