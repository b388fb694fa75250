"""`library up`: the services as one library, opened and closed in order."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from frontend_server.store.models import MIGRATIONS
from library.admin.v1.catalog_service_pb2 import RemoveBookRequest
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_cli.times import zoned_time
from service_kit.migrations import migrate
from service_kit.store import open_store
from tests.support.clients import AdminClient, FrontendClient, open_channel
from tests.support.crashes import copy_folder
from tests.support.library_command import COMMAND, catalogue, environment, library
from tests.support.processes import Servers
from tests.support.stores import ENGINES, Engine, FreshDatabases
from tests.support.waiting import wait_until


class Up:
    """`library up`, its services on free ports."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        free = {f"LIBRARY_{name}_LISTEN": "127.0.0.1:0" for name in ("ADMIN", "FRONTEND", "REST")}
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--data-dir", str(data_dir)],
            env=environment(**(free | variables)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self.admin = self.frontend = self.rest = ""

    def wait_until_open(self) -> str:
        """Wait until all serve; return its output, up to the lines to try."""
        assert self.process.stdout is not None
        output = ""
        while "  curl " not in output:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            output += line
        found = re.search(r"patrons at (\S+), librarians at (\S+)\.\n", output)
        assert found is not None
        self.frontend, self.admin = found.groups()
        found = re.search(r"HTTP and JSON for both: (\S+), with a page to try it at (\S+)\.\n", output)
        assert found is not None
        self.rest = found[1]
        assert found[2] == f"{self.rest}/docs"
        return output

    def get(self, path: str, host: str = "localhost") -> bytes:
        """Fetch what is at a path of the REST service, asked for by that name."""
        request = Request(self.rest + path, headers={"Host": host})
        with build_opener(ProxyHandler({})).open(request, timeout=100) as answer:
            body: bytes = answer.read()
            return body

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Wait for its end, after a signal to its session if one is given; return its exit status and output."""
        if number is not None:
            os.killpg(self.process.pid, number)
        output, errors = self.process.communicate(timeout=100)
        return self.process.returncode, output + errors

    def services(self) -> list[psutil.Process]:
        """The processes of the services, those of the admin, the frontend and REST."""
        return sorted(psutil.Process(self.process.pid).children(), key=lambda service: service.cmdline()[2])


@pytest.fixture
def started() -> Iterator[list[Up]]:
    """What is put in here is ended with the test."""
    ups: list[Up] = []
    yield ups
    for up in ups:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


def test_up_opens_a_library_with_the_sample_and_closes_it_in_order(tmp_path: Path, started: list[Up]) -> None:
    data_dir = tmp_path / "new" / "data"
    up = Up(data_dir)
    started.append(up)
    output = up.wait_until_open()
    variables: dict[str, str] = {}
    for typed in re.findall(r"^  (?:export|library) .*$", output, re.MULTILINE):
        # As in a terminal of its own, where what is exported stays.
        variables = dict(pair.split("=") for pair in typed.split()[1:]) if "export" in typed else variables
        if "export" not in typed:
            done = subprocess.run(
                [*COMMAND, *typed.split()[1:]],
                env=environment(**variables),
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert done.returncode == 0, (typed, done)
    assert "library lend dune" in output
    assert f"Logs are in {data_dir}." in output
    assert f"grpcurl -plaintext {up.frontend} list\n" in output
    assert f"curl '{up.rest}/v1/books?page_size=3'\n" in output
    assert len(json.loads(up.get("/v1/books?page_size=3"))["books"]) == 3
    assert json.loads(up.get("/admin/v1/status"))["bookCount"] == str(len(catalogue(up.admin)))
    assert b"<html" in up.get("/docs")
    with open_channel(up.frontend) as channel:
        frontend = FrontendClient(channel)
        assert frontend.catalog.ListBooks(ListBooksRequest(page_size=3), timeout=100).books
        user = EnrollUserRequest(email="grace@example.org", first_name="Grace", last_name="Hopper")
        frontend.members.EnrollUser(user, timeout=100)
    books = len(catalogue(up.admin))

    table = library("status", "--all", "--rest-url", up.rest, admin=up.admin, frontend=up.frontend)
    assert table.returncode == 0, table.stdout
    assert f"rest.url: {up.rest}\nrest.health: SERVING\n" in table.stdout
    assert f"rest.targets: {up.admin} SERVING\n" in table.stdout
    assert f"admin.book_count: {books}\n" in table.stdout
    assert f"frontend.book_count: {books}\n" in table.stdout
    assert "frontend.parked_row_count: 0\n" in table.stdout
    by_default = library("status", "--json", admin=up.admin, frontend=up.frontend)
    shown = json.loads(by_default.stdout)
    # Any program may use port 8080 of this machine. Only a REST service that reports NOT_SERVING makes the status fail.
    assert by_default.returncode == (shown["rest"]["health"] not in ("SERVING", "NO_ANSWER")), shown["rest"]
    assert shown["frontend"]["admin_target"] == up.admin
    assert 0 <= shown["frontend"]["cursor_age_seconds"] < 60
    assert shown["frontend"]["parked_rows"] == []

    services = up.services()
    status, output = up.end(signal.SIGTERM)
    assert status == 0, output
    assert not any(service.is_running() for service in services)

    again = Up(data_dir)
    started.append(again)
    again.wait_until_open()
    assert len(catalogue(again.admin)) == books
    status, output = again.end(signal.SIGINT)
    assert status == 0, output
    stopped = []
    for name in ("rest", "frontend", "admin"):
        events = [json.loads(line) for line in (data_dir / f"{name}.log").read_text().splitlines()]
        stopped.append([event["timestamp"] for event in events if event["event"] == "stopped"])
    for times in zip(*stopped, strict=True):
        assert list(times) == sorted(times)
    assert [len(times) for times in stopped] == [2, 2, 2]


@pytest.mark.slow
def test_up_with_tokens_explains_how_to_make_the_first_admin(tmp_path: Path, started: list[Up]) -> None:
    up = Up(tmp_path / "data", LIBRARY_ADMIN_ACCESS="token", LIBRARY_FRONTEND_ACCESS="token")
    started.append(up)
    output = up.wait_until_open()
    (exported,) = re.findall(r"^  export (.*)$", output, re.MULTILINE)
    variables = dict(pair.split("=", 1) for pair in shlex.split(exported))
    variables["LIBRARY_CONFIG_DIR"] = str(tmp_path / "config")

    def type_in(command: str, *more: str, secrets: str = "") -> str:
        (typed,) = re.findall(rf"^  library ({command}\b.*)$", output, re.MULTILINE)
        done = subprocess.run(
            [*COMMAND, *shlex.split(typed, comments=True), *more],
            env=environment(**variables),
            input=secrets,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""

    secret = "a sentence that nobody guesses"
    granted = type_in("grant-role")
    found = re.search(r"until .*: (\S+)$", granted, re.MULTILINE)
    assert found is not None, granted
    assert type_in("set-password", "--password-stdin", secrets=f"{found[1]}\n{secret}\n")
    assert type_in("login", "--password-stdin", secrets=f"{secret}\n").startswith("Signed in as Ada Lovelace")
    # The user and the role go from one service to the other.
    wait_until(lambda: bool(type_in("import")))
    wait_until(lambda: bool(type_in("status")))
    wait_until(lambda: len(json.loads(up.get("/v1/books?page_size=3"))["books"]) == 3)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_catalogue_that_was_emptied_stays_empty(
    tmp_path: Path, started: list[Up], databases: FreshDatabases, engine: Engine
) -> None:
    """The sample is for a store that this start has made, and for no other."""
    urls = {} if engine == "sqlite" else {"LIBRARY_ADMIN_DATABASE_URL": databases.empty(engine)}
    up = Up(tmp_path, **urls)
    started.append(up)
    up.wait_until_open()
    books = catalogue(up.admin)
    assert len(books) > 50
    with open_channel(up.admin) as channel:
        for book in books:
            AdminClient(channel).catalog.RemoveBook(RemoveBookRequest(id=book.id), timeout=100)
    assert up.end(signal.SIGTERM)[0] == 0
    again = Up(tmp_path, **urls)
    started.append(again)
    again.wait_until_open()
    assert catalogue(again.admin) == []


def test_a_migrated_store_without_books_stays_empty(
    tmp_path: Path, started: list[Up], databases: FreshDatabases
) -> None:
    """As one that was restored so."""
    shutil.copy(databases.migrated("admin", "sqlite").removeprefix("sqlite:///"), tmp_path / "admin.db")
    up = Up(tmp_path)
    started.append(up)
    up.wait_until_open()
    assert catalogue(up.admin) == []


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library whose services were killed."""
    data = tmp_path_factory.mktemp("killed") / "data"
    up = Up(data)
    up.wait_until_open()
    for service in up.services():
        service.kill()
    up.end()
    return data


WRONG_STORES: dict[str, tuple[str, Callable[[Path, Path], object], str]] = {
    "a copy without its log": (
        "admin",
        lambda file, _: Path(f"{file}-wal").unlink(),
        "this is a copy of the file of a running or killed store without its log admin.db-wal",
    ),
    "a log without its file": (
        "frontend",
        lambda file, _: file.unlink(),
        "the file is missing or empty, but its log frontend.db-wal is not",
    ),
    "the file of another log": (
        "admin",
        lambda file, good: shutil.copy(good, file),
        "the log admin.db-wal does not belong to this file",
    ),
    "the store of the other service": (
        "frontend",
        lambda file, good: shutil.copy(good, Path(f"{file}-wal").replace(file)),
        "this is the store of the admin service, and not of the frontend service",
    ),
}


@pytest.mark.parametrize("kind", WRONG_STORES)
def test_up_does_not_open_a_library_with_a_wrong_store(
    tmp_path: Path, started: list[Up], databases: FreshDatabases, killed: Path, kind: str
) -> None:
    name, spoil, reason = WRONG_STORES[kind]
    data = copy_folder(killed, tmp_path / "data")
    file = data / f"{name}.db"
    spoil(file, Path(databases.migrated("admin", "sqlite").removeprefix("sqlite:///")))
    before = file.read_bytes() if file.exists() else None
    up = Up(data)
    started.append(up)
    status, output = up.end()
    assert status == 1
    assert "is open" not in output
    assert f"The {name} service ended with exit status 1: cannot open the store sqlite:///{file}: {reason}" in output
    assert (file.read_bytes() if file.exists() else None) == before


@pytest.mark.slow
def test_up_puts_the_rest_service_before_what_is_named(tmp_path: Path, started: list[Up], servers: Servers) -> None:
    other = servers.start("admin", f"sqlite:///{tmp_path}/other.db")
    up = Up(tmp_path, LIBRARY_REST_TARGET=other.address, LIBRARY_REST_ALLOWED_HOST="library.example")
    started.append(up)
    up.wait_until_open()
    for host in ("library.example", "localhost"):
        assert json.loads(up.get("/admin/v1/status", host))["bookCount"] == "0"
    with pytest.raises(HTTPError, match="404"):
        up.get("/v1/books")
    with pytest.raises(HTTPError, match="403"):
        up.get("/admin/v1/status", "elsewhere.example")


def test_up_opens_and_warns_when_nothing_can_be_lent(tmp_path: Path, started: list[Up]) -> None:
    store = open_store(f"sqlite:///{tmp_path}/frontend.db")
    migrate(store, MIGRATIONS)
    store.database.execute_sql("UPDATE clock_mark SET newest_time = 3600000000000000")  # in 2084
    store.close()
    up = Up(tmp_path)
    started.append(up)
    up.wait_until_open()
    assert library("health", up.frontend).stdout == "NOT_SERVING\n"
    status, output = up.end(signal.SIGTERM)
    assert status == 0
    assert "Warning: The clock is " in output
    assert (
        f"days behind {zoned_time(Timestamp(seconds=3_600_000_000))}, the newest time in the frontend's store."
        in output
    )
    assert "library-frontend accept-clock" in output


@pytest.mark.parametrize(
    ("killed", "name"),
    [
        (0, "admin"),
        pytest.param(1, "frontend", marks=pytest.mark.slow),
        pytest.param(2, "rest", marks=pytest.mark.slow),
    ],
)
def test_up_ends_when_a_service_dies_and_names_it(tmp_path: Path, started: list[Up], killed: int, name: str) -> None:
    up = Up(tmp_path)
    started.append(up)
    up.wait_until_open()
    services = up.services()
    services[killed].kill()
    status, output = up.end()
    assert status == 1
    assert f"Error: The {name} service was killed by SIGKILL" in output
    assert f"Its log is {tmp_path}/{name}.log" in output
    assert not any(service.is_running() for service in services)


@pytest.mark.parametrize("name", ["admin", "frontend", "rest"])
def test_up_reports_a_taken_port(tmp_path: Path, started: list[Up], name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        up = Up(tmp_path, **{f"LIBRARY_{name.upper()}_LISTEN": address})
        started.append(up)
        status, output = up.end()
    assert status == 1
    assert f"The {name} service ended with exit status 1: cannot listen on {address}: another program has" in output
    assert "Is the library running here already? `library status` shows it." in output
    assert f"LIBRARY_{name.upper()}_LISTEN=HOST:PORT" in output
    assert "--listen" not in output, "up has no such option"
