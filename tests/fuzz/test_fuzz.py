"""Anything, sent to every method: by its own descriptor over gRPC, and by its rule over HTTP.

No INTERNAL, no UNKNOWN, no 5xx, no hang; the servers live on, and at the end all that is stored can be listed. The
methods come from reflection, so a new one is tried without a change here. LIBRARY_FUZZ_SECONDS says how long the four
cases take together. A failure prints the bytes of the request and its method, the seed of its round, and the name of
a file with the calls before it: ids are random, so a seed alone does not lead to the same calls.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.http_requests import HttpRequests
from tests.fuzz.servers import Library, Method, is_fault, write_report
from tests.fuzz.wire import Wire
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import Engine, FreshDatabases

SECONDS = float(os.environ.get("LIBRARY_FUZZ_SECONDS", "120"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 600)]

CASES = 4
ROUND = 200
"""Examples of a round, which has a seed of its own."""


@pytest.fixture(scope="module")
def library(
    engine: Engine, module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases
) -> Iterator[Library]:
    """Both services and library-rest, with some books, users and loans."""
    admin = module_servers.start("admin", databases.migrated("admin", engine))
    url = databases.migrated("frontend", engine)
    frontend = module_servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2")
    rest = module_rest_servers.start([frontend.address, admin.address])
    library = Library(admin, frontend, rest)
    yield library
    write_report(library.report(f"--- {engine} ---"))


@pytest.fixture
def first_seed(pytestconfig: pytest.Config) -> int:
    """The seed of the first round."""
    given_seed = pytestconfig.getoption("--hypothesis-seed", default=None)
    return int(given_seed) if str(given_seed).isdecimal() else random.randrange(1 << 32)


def in_rounds(library: Library, first_seed: int, example: Callable[[random.Random, str, bytes], None]) -> None:
    """Try examples until the time is over."""
    end = time.monotonic() + SECONDS / CASES
    number = first_seed
    while time.monotonic() < end:

        @seed(number)
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=True), st.text(max_size=20), st.binary(max_size=30))
        def one_round(chance: random.Random, text: str, content: bytes) -> None:
            if time.monotonic() < end:
                example(chance, text, content)

        try:
            one_round()
        except BaseException:
            print(f"the last call, its bytes in hex: {library.latest[-1]}")
            print(f"the calls before it: {library.keep_latest()}; similar ones: --hypothesis-seed={number}")
            raise
        number += 1


def weighted(methods: list[Any], name_of: Callable[[Any], str], chance: random.Random) -> Any:
    """Pick a method. What closes, removes or syncs is called less often, so that there is something to work with.

    Health and reflection, which take little, are called less often, and what the other service pushes more often.
    """
    method = chance.choice(methods)
    name = name_of(method).rpartition("/")[2]
    if name in ("Check", "Watch", "ServerReflectionInfo") and chance.random() < 0.7:
        return chance.choice([each for each in methods if name_of(each).rpartition("/")[2].startswith("Record")])
    if name.startswith(("Remove", "Close", "SyncNow")) and chance.random() < 0.6:
        return chance.choice(methods)
    return method


def test_no_request_over_grpc_breaks_a_service(library: Library, first_seed: int) -> None:
    methods: list[Method] = list(library.methods.values())

    def example(chance: random.Random, text: str, content: bytes) -> None:
        method: Method = weighted(methods, lambda one: one.name, chance)
        wire = Wire(library.known, chance, text.encode(errors="ignore").decode(), content)
        count = chance.choice([0, 1, 2, 5]) if method.descriptor.client_streaming else 1
        requests = [wire.request(method.input) for _ in range(count)]
        status, body = library.call(method, requests, with_secret=chance.random() < 0.9)
        assert not is_fault(status, body), (method.name, status, body, requests)
        if status == "OK" and method.descriptor.name.startswith("Record"):
            library.check_recorded(method, requests[0], body)

    in_rounds(library, first_seed, example)
    check_all(library)


def test_no_request_over_http_breaks_a_service(library: Library, first_seed: int) -> None:
    def example(chance: random.Random, text: str, _content: bytes) -> None:
        rule = weighted(library.rules, lambda one: one.method.name, chance)
        input_type = library.methods[f"{rule.method.parent.type_name}/{rule.method.name}"].input
        request = HttpRequests(library.known, chance, text).request(rule, input_type)
        status, body = library.ask(rule, request)
        is_without_source = status == 503 and b"SOURCE_UNAVAILABLE" in body
        assert status < 500 or is_without_source, (request, status, body)

    in_rounds(library, first_seed, example)
    check_all(library)


def check_all(library: Library) -> None:
    """The servers are still those that were started, every method was called, and everything can be listed."""
    library.check_alive()
    library.check_sync()
    library.check_logs()
    listed = dict(library.list_everything())
    assert len(listed) >= 10, listed
    print(listed)
    library.check_logs()
