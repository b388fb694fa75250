"""A flood of sign-ins: what it takes of a server's memory and threads is bounded, and other calls are answered.

The figures are printed: `make test-slow ARGS="-s tests/e2e/test_sign_in_flood.py"`.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter

import grpc
import psutil
import pytest

from frontend_server.access.passwords import HashCost
from library.access.v1 import access_service_pb2 as pb
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from tests.support.clients import refusal_of
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases

CALLERS, SECONDS = 48, 4.0
MEGABYTE = 2**20
COST = HashCost()
OTHER_MEGABYTES = 96
"""For the calls themselves, and for memory that the allocator keeps."""


@pytest.mark.slow
def test_a_flood_of_sign_ins_is_bounded(
    servers: Servers, databases: FreshDatabases, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    server = servers.start("frontend", databases.migrated("frontend", engine), ADMIN_TARGET="127.0.0.1:1")
    frontend = server.frontend()
    quiet = [listed_in(frontend) for _ in range(50)]
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    outcomes: Counter[str] = Counter()
    numbers, has_ended = itertools.count(), threading.Event()

    def flood() -> None:
        """Sign in under a name and from an address that nobody had before, so that nothing but the bound refuses it."""
        access = server.frontend().access
        while not has_ended.is_set():
            number = next(numbers)
            address = (("x-forwarded-for", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"),)
            request = pb.CreateSessionRequest(name=f"nobody{number}@example.org", secret="a turnip at 17:03")
            try:
                access.CreateSession(request, metadata=address)
            except grpc.RpcError as error:
                outcomes[refusal_of(error).reason or error.code().name] += 1

    threads = [threading.Thread(target=flood) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    peak, busy, until = before, [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        busy.append(listed_in(frontend))
        peak = max(peak, process.memory_info().rss)
    has_ended.set()
    for thread in threads:
        thread.join()
    more = (peak - before) / MEGABYTE
    with capsys.disabled():
        print(
            f"\n{engine}: {sum(outcomes.values())} sign-ins by {CALLERS} callers in {SECONDS:.0f} s: {dict(outcomes)}; "
            f"{more:.0f} MiB more memory; "
            f"a list of books took {median_ms(quiet):.1f} ms before, {median_ms(busy):.1f} ms meanwhile"
        )
    assert outcomes.keys() == {"SIGN_IN_FAILED", "SERVER_BUSY"}
    assert more < COST.at_once * COST.memory_kib / 1024 + OTHER_MEGABYTES
    assert len(busy) > 1, "other calls were answered meanwhile"


def listed_in(frontend: object) -> float:
    began = time.monotonic()
    frontend.catalog.ListBooks(ListBooksRequest())  # type: ignore[attr-defined]
    return time.monotonic() - began


def median_ms(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1_000
