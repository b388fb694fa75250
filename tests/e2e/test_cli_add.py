"""`library add` against a real admin that asks catalogues on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import GetCoverRequest, ListBooksRequest
from library.admin.v1.import_service_pb2 import SearchExternalBooksRequest
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from library_cli.channel import health_of
from tests.support import source_server
from tests.support.external_catalogues import DISPOSSESSED, KEY, NEUROMANCER, serve_google_books, serve_open_library
from tests.support.library_command import library
from tests.support.pictures import picture
from tests.support.processes import ServerProcess, Servers
from tests.support.source_server import SourceServer, answer, running_source_server
from tests.support.stores import FreshDatabases


@dataclass
class LookUpDesk:
    """An admin that asks two servers on loopback."""

    server: ServerProcess
    open_library: SourceServer
    google_books: SourceServer

    def add(self, *words: str, stdin: str = "", status: int = 0) -> CompletedProcess[str]:
        done = library("add", *words, admin=self.server.address, stdin=stdin.encode())
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def titles(self) -> list[str]:
        return [book.title for book in self.server.admin().catalog.ListBooks(ListBooksRequest()).books]


@pytest.fixture
def desk(servers: Servers, databases: FreshDatabases, tmp_path: Path) -> Iterator[LookUpDesk]:
    key_file = tmp_path / "google-books-key"
    key_file.write_text(KEY)
    with running_source_server() as open_library, running_source_server() as google_books:
        serve_open_library(open_library)
        serve_google_books(google_books)
        server = servers.start(
            "admin",
            databases.migrated("admin", "sqlite"),
            OPEN_LIBRARY_ADDRESS=open_library.address,
            OPEN_LIBRARY_COVERS_ADDRESS=open_library.address,
            GOOGLE_BOOKS_ADDRESS=google_books.address,
            GOOGLE_BOOKS_KEY_FILE=str(key_file),
            SOURCE_RATE="100",
            ALLOW_PRIVATE_SOURCES="true",
        )
        yield LookUpDesk(server, open_library, google_books)
        assert KEY not in server.log_tail(10_000_000)


def test_scanned_books_are_added(desk: LookUpDesk) -> None:
    desk.open_library.on("/b/id/283860-L.jpg", answer(200, picture(), {"Content-Type": "image/jpeg"}))
    done = desk.add(
        "--copies", "2", "--barcodes", stdin=f"{NEUROMANCER}\n\n978-0-8070-8369-7\n{DISPOSSESSED}\n", status=1
    )
    first, *barcodes = done.stdout.splitlines()
    assert first == 'Added "Neuromancer" by William Gibson (1984) from open_library, with 2 copies.'
    assert len([line for line in barcodes if line.startswith("  ")]) == 4
    assert 'Added "The Dispossessed" by Ursula K. Le Guin (2003) from google_books, with 2 copies.' in done.stdout
    assert done.stderr == "978-0-8070-8369-7: No source has a book with the number 9780807083697.\n"
    again = desk.add(NEUROMANCER, "0-441-56959-5", "--copies", "1")
    assert again.stdout.splitlines() == [
        f'"Neuromancer" by William Gibson (1984) was here already. Added copies: it has {count} copies now.'
        for count in (3, 4)
    ]
    book = next(
        book for book in desk.server.admin().catalog.ListBooks(ListBooksRequest()).books if book.isbn == NEUROMANCER
    )
    assert book.cover_path
    assert desk.server.admin().catalog.GetCover(GetCoverRequest(book_id=book.id)).content_type == "image/jpeg"


def test_json_has_each_outcome(desk: LookUpDesk) -> None:
    done = desk.add(NEUROMANCER, "123", "--json", status=1)
    added, refused = json.loads(done.stdout)
    assert (added["number"], added["result"]) == (NEUROMANCER, "IMPORT_RESULT_ADDED")
    assert (refused["number"], refused["reason"]) == ("123", "FIELD_INVALID")


def test_search_lists_and_id_adds(desk: LookUpDesk) -> None:
    lines = desk.add("--search", "neuromancer").stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["1", "Neuromancer"], ["2", "The Dispossessed"]]
    assert desk.titles() == []
    desk.add("--id", "OL7353617M", "--source", "open_library")
    assert desk.titles() == ["Neuromancer"]
    assert desk.add("--search", "neuromancer").stdout.splitlines()[0].endswith("\tyes")
    desk.add("--search", "x", "--id", "y", status=2)
    desk.add("--id", "y", status=2)


def test_source_that_fails_is_reported(desk: LookUpDesk) -> None:
    desk.open_library.on("/search.json", answer(500))
    desk.open_library.on(f"/isbn/{NEUROMANCER}.json", answer(500))
    done = desk.add("--search", "dispossessed")
    assert "open_library did not answer: " in done.stderr
    assert "The Dispossessed" in done.stdout
    done = desk.add(NEUROMANCER, "--source", "open_library", status=2)
    assert "Nothing was changed; try again later." in done.stderr
    assert desk.titles() == []


def test_other_calls_are_served_while_sources_are_silent(desk: LookUpDesk) -> None:
    desk.open_library.on("/search.json", source_server.silence)
    channel = desk.server.channel()
    search = ImportServiceStub(channel).SearchExternalBooks

    def look_up(turn: int) -> str:
        try:
            search(SearchExternalBooksRequest(query=f"dune {turn}", source=["open_library"]), timeout=100)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    with ThreadPoolExecutor(40) as threads:
        begin = time.monotonic()
        running = [threads.submit(look_up, turn) for turn in range(40)]
        while not desk.open_library.asked():
            time.sleep(0.01)
        for _ in range(20):
            desk.server.admin().catalog.ListBooks(ListBooksRequest(), timeout=5)
        assert health_of(channel) == "SERVING"
        assert not all(each.done() for each in running)
        outcomes = {each.result(100) for each in running}
        assert time.monotonic() - begin < 60
    assert outcomes == {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
    assert health_of(channel) == "SERVING"
