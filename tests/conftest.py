"""Fixtures for all tests: databases of both engines, stores on them, servers as processes, a clock to set."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from service_kit.logs import set_up_logs
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.forked_servers import Forkery
from tests.support.made_secrets import leaks
from tests.support.postgresql import PostgresqlServer, running_postgresql
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import ENGINES, Engine, FreshDatabases, bound_store
from tests.support.third_party import NOT_TRIED
from tests.support.watchdog import Watchdog, remove_abandoned_folders

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

WATCHDOG = pytest.StashKey[Watchdog]()
HAS_PASSED = pytest.StashKey[bool]()
FOUND_LEAKS = pytest.StashKey[list[str]]()
LEAKS = "leaks"
"""Where a worker leaves what it has found for the main process."""


def pytest_configure(config: pytest.Config) -> None:
    """Log as the servers do, but to pytest, which shows it when a test fails. Start the watchdog."""
    remove_abandoned_folders()
    config.stash[WATCHDOG] = Watchdog()
    os.environ["TZ"] = "UTC"  # loans are due at the end of a local date of the machine
    set_up_logs("info", as_json=True)
    logging.root.handlers.clear()
    # A shell starts background processes with SIGINT ignored. Child processes inherit that, and tests interrupt some.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have the folders of the tests removed at the end of the run, unless tests fail."""
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    session.config.stash[WATCHDOG].remove_unless_kept(factory.getbasetemp())


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Look for leaks of secrets. Note whether tests failed.

    The folders of a worker are inside those of the main process, which decides.
    """
    config = session.config
    found = leaks(config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
    if hasattr(config, "workerinput"):
        config.workeroutput[LEAKS] = found  # type: ignore[attr-defined]
    config.stash.setdefault(FOUND_LEAKS, []).extend(found)
    if config.stash[FOUND_LEAKS]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    config.stash[HAS_PASSED] = session.exitstatus == exitstatus == 0 and not hasattr(config, "workerinput")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the leaks that a worker has found."""
    node.config.stash.setdefault(FOUND_LEAKS, []).extend(getattr(node, "workeroutput", {}).get(LEAKS, ()))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes that the run started and that still run."""
    watchdog = config.stash.get(WATCHDOG, None)
    if watchdog is not None:
        watchdog.close(keep=not config.stash.get(HAS_PASSED, False))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name leaks of secrets, and the clients that are missing: a green run did not test with them."""
    for leak in terminalreporter.config.stash.get(FOUND_LEAKS, ()):
        terminalreporter.line(f"LEAK: {leak}", red=True)
    skips = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    untried = sorted({skip[skip.index(NOT_TRIED) :].strip("')\"") for skip in skips if NOT_TRIED in skip})
    if untried:
        terminalreporter.section("NOT TRIED: third-party clients are missing", sep="!", yellow=True, bold=True)
    for warning in untried:
        terminalreporter.line(f"WARNING: {warning}", yellow=True)


LONG_FIRST = (
    "tests/soak",
    "tests/fuzz",
    "tests/e2e/test_rest_described.py",
    "tests/sync/test_state_machine.py",
    "tests/sync/test_backup_under_load.py",
    "tests/generators",
    "tests/clients",
    "tests/e2e/test_cli_memory.py",
    "tests/e2e/test_clock_jumps.py",
    "tests/store/test_damaged_rows.py",
    "tests/e2e/test_killed_run.py",
    "tests/e2e/test_benchmarks.py",
    "tests/desk",
    "tests/store/test_explained_is_done.py",
    "tests/e2e/test_keepalive.py",
    "tests/sync",
    "tests/store/test_lock_order.py",
    "tests/e2e",
)
"""The files and folders with long tests, the longest first: begun last, one would run on alone at the end.

Those that are not here are short, and fill the time at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, the others in the order of the folders, of which `unit` has short ones."""
    places: dict[str, int] = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        if file not in places:
            places[file] = next((at for at, start in enumerate(LONG_FIRST) if file.startswith(start)), len(LONG_FIRST))
    items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage, and leave all that is made here out of each later collection.

    Ten thousand tests are a million objects, none of which is garbage, in each worker.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Share large files among two workers, unless the command line asks for another distribution."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.support.scheduling import ByFileAndEngine  # noqa: PLC0415 - xdist may be left out

    return ByFileAndEngine(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: tests wait for processes for about half of their time."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture
def chance() -> random.Random:
    """Chance; a failing test prints the seed that replays it."""
    seed = int(os.environ.get("LIBRARY_TEST_SEED") or random.randrange(1 << 32))
    print(f"replay with LIBRARY_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> Iterator[PostgresqlServer]:
    """A PostgreSQL server, started for the first test that needs it."""
    with running_postgresql(pytestconfig.stash[WATCHDOG].new_folder()) as server:
        yield server


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FreshDatabases:
    """Fresh databases: `databases.migrated("admin", engine)` is a URL."""
    folder = tmp_path_factory.mktemp("databases")
    return FreshDatabases(folder, lambda: request.getfixturevalue("postgresql"))


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn. Tests that use this run on both; all tests of a module on SQLite come first."""
    engine: Engine = request.param
    if engine == "postgresql":
        request.getfixturevalue("postgresql")
    return engine


@pytest.fixture
def admin_url(databases: FreshDatabases, engine: Engine) -> str:
    """A fresh, migrated database for an admin, on each engine."""
    return databases.migrated("admin", engine)


@pytest.fixture
def frontend_url(databases: FreshDatabases, engine: Engine) -> str:
    """A fresh, migrated database for a frontend, on each engine."""
    return databases.migrated("frontend", engine)


@pytest.fixture
def admin_store(databases: FreshDatabases, admin_url: str) -> Iterator[Store]:
    """A fresh admin's store, on each engine, with the models at work on it."""
    with bound_store("admin", admin_url) as store:
        yield store
    databases.leave("admin", admin_url)


@pytest.fixture
def frontend_store(databases: FreshDatabases, frontend_url: str) -> Iterator[Store]:
    """A fresh frontend's store, on each engine, with the models at work on it."""
    with bound_store("frontend", frontend_url) as store:
        yield store
    databases.leave("frontend", frontend_url)


@pytest.fixture
def complaints_stay_here() -> Iterator[None]:
    """Collect garbage within the test, so that warnings of cysqlite belong to it: see `tests.support.damage`."""
    yield
    gc.collect()


@pytest.fixture
def clock() -> SettableClock:
    """A clock that shows the same time until the test sets it."""
    return SettableClock()


@pytest.fixture(scope="session")
def forkery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forkery]:
    """The process from which servers are forked."""
    forkery = Forkery(tmp_path_factory.mktemp("forkery"))
    yield forkery
    forkery.close()


@pytest.fixture
def servers(forkery: Forkery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Starts server processes that end with the test."""
    started = Servers(tmp_path_factory.mktemp("servers"), forkery)
    yield started
    started.close()


@pytest.fixture(scope="module")
def module_servers(forkery: Forkery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Starts server processes that end with the module."""
    started = Servers(tmp_path_factory.mktemp("servers"), forkery)
    yield started
    started.close()


@pytest.fixture
def rest_servers(forkery: Forkery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServers]:
    """Starts library-rest processes that end with the test."""
    started = RestServers(tmp_path_factory.mktemp("rest"), forkery)
    yield started
    started.close()


@pytest.fixture(scope="module")
def module_rest_servers(forkery: Forkery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServers]:
    """Starts library-rest processes that end with the module."""
    started = RestServers(tmp_path_factory.mktemp("rest"), forkery)
    yield started
    started.close()
