"""The schedule in real processes: killed at any moment, with another one next to it; and covers up to a browser."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator

import pytest

from library.admin.v1.import_service_pb2 import ListSourceRunsRequest, ListSourcesRequest, SourceRun
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from library.frontend.v1.catalog_service_pb2 import GetBookRequest
from tests.support.library_command import catalogue, library
from tests.support.processes import ServerProcess, Servers
from tests.support.rest import RestServers
from tests.support.scheduled_library import QUERY, SUBJECT, Subject, isbn_of, running_subject
from tests.support.source_server import Answer, Request, Write
from tests.support.stores import FreshDatabases
from tests.sync.agreement import eventually

BOOKS = 45
SETTINGS = {"IMPORT_QUERY": QUERY.name, "IMPORT_MOST": "200"}


@pytest.fixture
def subject() -> Iterator[Subject]:
    with running_subject(*range(1, BOOKS + 1)) as subject:
        yield subject


def gated(subject: Subject, number: int) -> tuple[threading.Event, threading.Event]:
    """Let the source answer about a book only when the second event is set; the first is set once it is asked."""
    asked, go_on = threading.Event(), threading.Event()

    def wait(write: Write, request: Request, stopped: threading.Event) -> object:
        asked.set()
        go_on.wait(100)
        return plain(write, request, stopped)

    plain: Answer = subject._document(number)
    subject.faults[f"/books/OL{number}M.json"] = [wait]
    return asked, go_on


def runs(server: ServerProcess) -> list[SourceRun]:
    return list(ImportServiceStub(server.channel()).ListSourceRuns(ListSourceRunsRequest(), timeout=100).source_runs)


def is_at_work(server: ServerProcess) -> bool:
    """Return whether the newest process of a server has begun a run and has not ended one since."""
    events = [event["event"] for event in server.log_events()]
    last_start = max(place for place, event in enumerate(events) if event == "listening")
    return "source run begins" in events[last_start:]


@pytest.mark.slow
def test_two_admins_of_which_the_one_at_work_is_killed_add_each_book_once(
    servers: Servers, databases: FreshDatabases, subject: Subject
) -> None:
    chance = random.Random(13)
    url = databases.migrated("admin", "postgresql")
    gates = [gated(subject, number) for number in sorted(chance.sample(range(2, BOOKS), 3))]
    both = [servers.start("admin", url, **SETTINGS, **subject.variables) for _ in range(2)]
    for asked, go_on in gates:
        assert asked.wait(100)
        [worker] = [server for server in both if is_at_work(server)]
        worker.kill()
        go_on.set()
        worker.start()
    eventually(lambda: runs(both[0])[0].HasField("end_time"), "a run goes to the end")
    titles = sorted(book.title for book in catalogue(both[1].address))
    assert titles == sorted(f"Gardening {number}" for number in range(1, BOOKS + 1))
    done = runs(both[0])
    assert len(done) == len(gates) + 1
    assert [run.problem for run in done] == ["", *["the server stopped during the run"] * len(gates)]
    assert all(run.HasField("end_time") for run in done)
    assert sum(run.added_count for run in done) == BOOKS


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_admin_that_ends_during_a_run_goes_on_after_its_next_start(
    servers: Servers, databases: FreshDatabases, subject: Subject, end: str
) -> None:
    asked, go_on = gated(subject, 30)
    admin = servers.start("admin", databases.migrated("admin", "sqlite"), **SETTINGS, **subject.variables)
    assert asked.wait(100)
    if end == "stop":
        threading.Timer(0.2, go_on.set).start()
    getattr(admin, end)()
    go_on.set()
    admin.start()
    eventually(lambda: len(runs(admin)) == 2 and runs(admin)[0].HasField("end_time"), "a run goes to the end")
    newest, first = runs(admin)
    assert first.problem == "the server stopped during the run"
    assert newest.problem == ""
    assert first.added_count + newest.added_count == BOOKS == len(catalogue(admin.address))


def test_covers_come_to_patrons_over_http(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases, subject: Subject
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"), **SETTINGS, **subject.variables)
    frontend = servers.start("frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address)
    rest = rest_servers.start([admin.address, frontend.address])
    eventually(lambda: bool(runs(admin)) and runs(admin)[0].HasField("end_time"), "the run ends")
    book = next(book for book in catalogue(admin.address) if book.isbn == isbn_of(3))
    patron = frontend.frontend()
    request = GetBookRequest(id=book.id)
    eventually(lambda: patron.catalog.GetBook(request, timeout=100).cover_path == book.cover_path, "the path is pulled")
    assert f"/admin/v1/books/{book.id}/cover?v=" in book.cover_path
    answer = rest.request("GET", book.cover_path)
    assert (answer.status, answer.headers.get_content_type()) == (200, "image/jpeg")
    assert answer.body.startswith(b"\xff\xd8\xff")
    missing = rest.request("GET", "/admin/v1/books/0193b8a2-5c00-7a1e-9c4d-1f2e3d4c5b6a/cover")
    assert missing.status == 404


def test_the_command_shows_sources_and_runs(servers: Servers, databases: FreshDatabases, subject: Subject) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"), **SETTINGS, **subject.variables)
    eventually(lambda: bool(runs(admin)) and runs(admin)[0].HasField("end_time"), "the run ends")
    [run] = runs(admin)
    shown = library("sources", "--json", admin=admin.address)
    open_library, google = json.loads(shown.stdout)
    assert open_library["schedules"] == [SUBJECT]
    assert [each["id"] for each in open_library["last_runs"]] == [run.id]
    assert open_library["next_run_time"]
    assert "google-books-key-file" in google["problem"]
    lines = library("sources", admin=admin.address).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["open_library", "google_books"]
    assert lines[0].split("\t")[4] == f"{run.start_time.ToJsonString()}: {BOOKS} added"
    [line] = library("sources", "runs", admin=admin.address).stdout.splitlines()
    assert line.split("\t")[:3] == [run.id, "open_library", SUBJECT]
    undone = library("import", "--undo", run.id, admin=admin.address)
    assert undone.returncode == 0, undone.stderr
    assert catalogue(admin.address) == []


def test_nothing_is_asked_before_it_is_configured(
    servers: Servers, databases: FreshDatabases, subject: Subject
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"), **subject.variables)
    sources = ImportServiceStub(admin.channel()).ListSources(ListSourcesRequest(), timeout=100).sources
    assert [list(source.schedules) for source in sources] == [[], []]
    assert subject.server.requests == []
    assert runs(admin) == []


@pytest.mark.parametrize("value", ["gardening", "elsewhere:gardening", "open_library:", "open_library:gaps"])
def test_a_wrong_query_is_reported_at_the_start(servers: Servers, databases: FreshDatabases, value: str) -> None:
    admin = servers.prepare("admin", databases.migrated("admin", "sqlite"), IMPORT_QUERY=value)
    admin.launch()
    assert admin.wait() == 2
    assert "import-query" in admin.log_tail() or "IMPORT_QUERY" in admin.log_tail()
