"""A full disk: changes are refused UNAVAILABLE, reading goes on, health reports it, and the server recovers."""

from __future__ import annotations

import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from playhouse.cysqlite_ext import cysqlite

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ListBooksRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest, ListUsersRequest
from tests.support.clients import refusal_of
from tests.support.full_disks import FileSizeLimit, SmallFileSystem, run_limited, small_file_system
from tests.support.processes import SERVING, ServerProcess, Servers
from tests.support.stores import FreshDatabases, ServerName

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
CANNOT_BE_WRITTEN = "the store cannot be written; changes are refused until it can be, and reading goes on"
WAIT_SECONDS = 100.0
UNLIMITED = 2**40

WRITING: dict[ServerName, set[str]] = {
    "admin": {
        "library.admin.v1.BranchService",
        "library.admin.v1.CatalogService",
        "library.admin.v1.PolicyService",
        "library.admin.v1.StaffService",
        "library.sync.v1.SyncService",
    },
    "frontend": {
        "library.access.v1.AccessService",
        "library.frontend.v1.MemberService",
        "library.frontend.v1.LendingService",
        "library.frontend.v1.SyncService",
    },
}
READING: dict[ServerName, set[str]] = {
    "admin": {"library.admin.v1.UserService", "library.admin.v1.LoanService", "library.admin.v1.StatusService"},
    "frontend": {"library.frontend.v1.CatalogService"},
}


@pytest.fixture(params=["limit", "file system"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileSizeLimit | SmallFileSystem]:
    if request.param == "limit":
        (tmp_path / "disk").mkdir()
        yield FileSizeLimit(tmp_path / "disk")
        return
    with small_file_system(tmp_path / "disk", megabytes=64) as disk:
        if disk is None:
            pytest.skip("this process may not mount a file system; the limit on files is tried in any case")
        yield disk


class Store:
    """A server on the disk, and one call each that writes and that reads; `acknowledged` is what it has taken."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.acknowledged: set[str] = set()
        self.refused: dict[str, str] = {}
        """The request ids of refused calls, by what they would have written."""
        client: Any = server.admin() if server.name == "admin" else server.frontend()
        self._write: Callable[..., Any] = (
            client.catalog.AddBook if server.name == "admin" else client.members.EnrollUser
        )
        self._read = client.catalog.ListBooks if server.name == "admin" else client.members.ListUsers
        self._health: Any = health_pb2_grpc.HealthStub(server.channel())

    def write(self, name: str, request_id: str = "") -> None:
        """Add a book or user of this name. Any other refusal than one for the full disk fails the test."""
        request_id = request_id or str(uuid4())
        try:
            self._write(self._request(name, request_id), timeout=WAIT_SECONDS)
        except grpc.RpcError as error:
            refusal = refusal_of(error)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"), refusal
            self.refused[name] = request_id
        else:
            self.acknowledged.add(name)
            self.refused.pop(name, None)

    def write_until_refused(self, prefix: str) -> None:
        for number in range(1_000):
            self.write(f"{prefix}-{number}")
            if self.refused:
                return
        raise AssertionError("the disk is not full")

    def names(self) -> list[str]:
        """Read all names, page after page."""
        found, token = [], ""
        while True:
            if self.server.name == "admin":
                page = self._read(ListBooksRequest(page_size=1_000, page_token=token), timeout=WAIT_SECONDS)
                found += [book.title for book in page.books]
            else:
                page = self._read(ListUsersRequest(page_size=1_000, page_token=token), timeout=WAIT_SECONDS)
                found += [user.first_name for user in page.users]
            token = page.next_page_token
            if not token:
                return found

    def health(self, service: str = "") -> int:
        answer = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT_SECONDS)
        return int(answer.status)

    def wait_for_health(self, service: str, status: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.health(service) != status:
            assert time.monotonic() < deadline, f"{service} is still {self.health(service)}"
            time.sleep(0.05)

    def _request(self, name: str, request_id: str) -> AddBookRequest | EnrollUserRequest:
        if self.server.name == "admin":
            return AddBookRequest(title=name, description="x" * 2_000, request_id=request_id)
        return EnrollUserRequest(
            email=f"{name}@example.org", first_name=name, last_name="x" * 90, request_id=request_id
        )


def on_disk(databases: FreshDatabases, server: ServerName, folder: Path) -> str:
    """Put a migrated store into a folder; return its URL."""
    source = Path(databases.migrated(server, "sqlite").removeprefix("sqlite:///"))
    for file in source.parent.iterdir():
        shutil.copy(file, folder)
    return f"sqlite:///{folder / source.name}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["admin", "frontend"])
def test_on_a_full_disk_changes_are_refused_reads_go_on_and_the_server_recovers(
    servers: Servers, databases: FreshDatabases, disk: FileSizeLimit | SmallFileSystem, name: ServerName
) -> None:
    began = time.monotonic()
    server = servers.start(name, on_disk(databases, name, disk.folder))
    store = Store(server)
    store.write("first")
    disk.fill(server.pid)

    store.write_until_refused("filling")
    with ThreadPoolExecutor(4) as threads:
        for written in [threads.submit(store.write, f"full-{number}") for number in range(200)]:
            written.result()
    assert len(store.refused) > 100
    assert set(store.names()) == store.acknowledged
    for service in WRITING[name]:
        store.wait_for_health(service, NOT_SERVING)
    assert store.health() == NOT_SERVING
    assert {store.health(service) for service in READING[name]} == {SERVING}

    disk.empty(server.pid)
    for service in ["", *WRITING[name]]:  # nobody calls meanwhile
        store.wait_for_health(service, SERVING)
    for refused, request_id in list(store.refused.items()):
        store.write(refused, request_id)
    assert store.refused == {}
    names = store.names()
    assert sorted(names) == sorted(store.acknowledged)

    events = [event for event in server.log_events() if event["level"] in ("error", "critical", "warning")]
    minutes = int((time.monotonic() - began) // 60)
    assert 1 <= sum(event["event"] == CANNOT_BE_WRITTEN for event in events) <= 2 * (1 + minutes), events
    assert {event["event"] for event in events} <= {CANNOT_BE_WRITTEN, "sync failed"}
    assert "Traceback" not in server.log_tail(10_000_000)
    assert "the store can be written again" in server.log_tail(10_000_000)
    assert server.stop() == 0
    assert integrity(Path(server.database_url.removeprefix("sqlite:///"))) == "ok"


def test_a_full_disk_of_postgresql_is_reported_and_the_server_recovers(
    servers: Servers, databases: FreshDatabases
) -> None:
    server = servers.start("frontend", databases.migrated("frontend", "postgresql"))
    store = Store(server)
    store.write("first")
    with psycopg.connect(server.database_url, autocommit=True) as connection:
        # The disk of the server cannot be filled here, so a trigger raises its error. Every change takes a revision.
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
        )
        connection.execute("CREATE TRIGGER full_disk BEFORE UPDATE ON counter EXECUTE FUNCTION refuse()")
        store.write("second")
        assert store.refused
        store.wait_for_health("library.frontend.v1.LendingService", NOT_SERVING)
        assert store.names() == ["first"]
        connection.execute("DROP TRIGGER full_disk ON counter")
    store.wait_for_health("", SERVING)
    store.write("second", store.refused["second"])
    assert sorted(store.names()) == ["first", "second"]
    assert CANNOT_BE_WRITTEN in server.log_tail(1_000_000)
    assert "Traceback" not in server.log_tail(1_000_000)


def integrity(file: Path) -> str:
    connection = cysqlite.Connection(str(file))
    try:
        ((found,),) = connection.execute("PRAGMA integrity_check")
    finally:
        connection.close()
    return str(found)


@pytest.mark.parametrize("program", ["admin_server", "frontend_server"])
@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize("most_bytes", [5_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_a_store_that_cannot_be_created_is_one_sentence_and_can_be_created_later(
    tmp_path: Path, program: str, command: str, most_bytes: int
) -> None:
    arguments = [program, command, "--database-url", f"sqlite:///{tmp_path}/library.db"]
    if command == "serve":
        arguments += ["--listen", "127.0.0.1:0", "--log-format", "json"]
    done = run_limited(most_bytes, *arguments, cwd=tmp_path)
    assert done.returncode == 1, done
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"library-{program.removesuffix('_server')}: cannot "), done.stderr
    assert "library.db" in last
    assert "Traceback" not in done.stderr
    done = run_limited(UNLIMITED, program, "migrate", *arguments[2:4], cwd=tmp_path)
    assert done.returncode == 0, done
    assert integrity(tmp_path / "library.db") == "ok"


def test_a_backup_that_does_not_fit_leaves_nothing(databases: FreshDatabases, tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    variables = {f"LIBRARY_{name.upper()}_DATABASE_URL": databases.migrated(name, "sqlite") for name in WRITING}
    for most_bytes in (0, 4_096, 50_000):
        done = run_limited(most_bytes, "library_cli", "backup", "b", cwd=tmp_path / "stores", environment=variables)
        assert done.returncode == 1, done
        assert done.stderr.startswith("Error: cannot "), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert list((tmp_path / "stores").iterdir()) == []


def test_a_restore_that_does_not_fit_keeps_the_old_store(databases: FreshDatabases, tmp_path: Path) -> None:
    variables = {f"LIBRARY_{name.upper()}_DATABASE_URL": databases.migrated(name, "sqlite") for name in WRITING}
    done = run_limited(UNLIMITED, "library_cli", "backup", "b", cwd=tmp_path, environment=variables)
    assert done.returncode == 0, done
    file = Path(variables["LIBRARY_ADMIN_DATABASE_URL"].removeprefix("sqlite:///"))
    before = file.read_bytes()
    for most_bytes in (0, 4_096, 50_000):
        done = run_limited(most_bytes, "library_cli", "restore", "b", cwd=tmp_path, environment=variables)
        assert done.returncode == 1, done
        assert done.stderr.startswith("Error: cannot restore "), done.stderr
        assert file.read_bytes() == before
        assert [each.name for each in file.parent.iterdir() if "restor" in each.name] == []
    done = run_limited(UNLIMITED, "library_cli", "restore", "b", cwd=tmp_path, environment=variables)
    assert done.returncode == 0, done


@pytest.mark.parametrize("size", [300, pytest.param(9_000, marks=pytest.mark.slow)])
def test_an_import_into_a_full_store_prints_how_to_continue(
    servers: Servers, databases: FreshDatabases, tmp_path: Path, size: int
) -> None:
    (tmp_path / "disk").mkdir()
    server = servers.start("admin", on_disk(databases, "admin", tmp_path / "disk"))
    disk = FileSizeLimit(tmp_path / "disk")
    count = 3_000
    rows = [f"Book {number},{'x' * size}" for number in range(count)]  # without ISBNs: none may be sent twice
    (tmp_path / "books.csv").write_text("\n".join(["title,description", *rows]) + "\n")
    store = Store(server)
    # The log of SQLite has 525,000 + 530 * size bytes after the first 500 rows, about twice as many after the next 500.
    room = 840_000 + 800 * size
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    arguments = ["library_cli", "import", "books.csv", "--admin-target", server.address]
    done = run_limited(UNLIMITED, *arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    assert "cannot be changed at present" in done.stderr
    assert "Traceback" not in done.stderr
    match = re.search(r"^Up to line (\d+): added (\d+), already there 0, refused 0\.", done.stderr, re.MULTILINE)
    assert match, done.stderr
    added = int(match[2])
    assert 0 < added < count
    assert int(match[1]) == added + 1
    assert f"Lines {added + 2} to " in done.stderr
    assert sorted(store.names()) == sorted(f"Book {number}" for number in range(added))

    disk.empty(server.pid)
    store.wait_for_health("", SERVING)
    command = re.search(r"^library (import --run \S+ --from-line \d+) books\.csv", done.stderr, re.MULTILINE)
    assert command, done.stderr
    assert command[1].endswith(f" {added + 2}")
    done = run_limited(UNLIMITED, *arguments, *command[1].split()[1:], cwd=tmp_path)
    assert done.returncode == 0, done
    assert sorted(store.names()) == sorted(f"Book {number}" for number in range(count))


@pytest.mark.slow
def test_an_import_into_a_full_store_can_be_done_again_from_its_beginning(
    servers: Servers, databases: FreshDatabases, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    server = servers.start("admin", on_disk(databases, "admin", tmp_path / "disk"))
    disk = FileSizeLimit(tmp_path / "disk")
    rows = [f"Book {number},{isbn(number)},{'x' * 300}" for number in range(3_000)]
    (tmp_path / "books.csv").write_text("\n".join(["title,isbn,description", *rows]) + "\n")
    disk.fill(server.pid)
    arguments = ["library_cli", "import", "books.csv", "--admin-target", server.address]
    done = run_limited(UNLIMITED, *arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    assert "cannot be changed at present" in done.stderr
    assert "Traceback" not in done.stderr
    disk.empty(server.pid)
    store = Store(server)
    store.wait_for_health("", SERVING)
    done = run_limited(UNLIMITED, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done
    assert sorted(store.names()) == sorted(f"Book {number}" for number in range(3_000))


def isbn(number: int) -> str:
    digits = f"978{number:09}"
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    return f"{digits}{check}"
