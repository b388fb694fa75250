"""`library export`: what is written is whole, private where it is about people, and can be imported as it is."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_OTHER,
    Book,
    Contributor,
    Identifier,
)
from library_cli.__main__ import main
from library_cli.exporting.kinds import LOAN_COLUMNS, USER_COLUMNS
from library_domain.book_fields import INPUT_NAMES
from tests.support.clients import AdminClient, open_channel
from tests.support.library_command import COMMAND, NOBODY, catalogue, environment
from tests.support.processes import ServerProcess, Servers

BOOKS = [
    AddBookRequest(title="Plain"),
    AddBookRequest(
        title='Quotes " and, commas; here',
        authors=["Smith; Jones Ltd", "A & B", "C | D", "[pseud.]", '["x"]', 'Nick "Nix" O\'Neill'],
        isbn="9780441013593",
        publisher="=SUM(A1)",
        category="+1",
        language="-en",
        published_year=98,
        page_count=3,
        description='Line one\nline two\r\nline three\rand\ttabs, \u2028 "quoted"\n\n\'end',
        cover_uri="https://example.org/a,b?c=%22d%22",
        copies=10_000,
    ),
    AddBookRequest(
        title="'leading apostrophe", authors=[f"Author {number}" for number in range(50)], published_year=-44
    ),
    AddBookRequest(title="@formula", authors=["Last, First"], published_year=7, copies=2),
    AddBookRequest(title="Ελληνικά 日本語 עברית 🐛 e\u0301", authors=["Ægir Þór", "𝔘𝔫𝔦"], published_year=2024),
    AddBookRequest(title="1984", authors=["007"], isbn="080442957X", publisher="N/A", category="0012"),
    AddBookRequest(title="Plain"),  # the same without an ISBN is another book
    AddBookRequest(title="Ordered", copies=0),
    AddBookRequest(
        title="Chess",
        subtitle="Gambits; for all",
        edition="2nd ed.",
        series="=Openings",
        volume="0001",
        subjects=["Games & toys", "Strategies; tactics", "[x]"],
        identifiers=[
            Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333931"),
            Identifier(type=IDENTIFIER_TYPE_ISSN, value="0317-8471"),
            Identifier(type=IDENTIFIER_TYPE_OTHER, value="ISSN | 1; 2"),
        ],
        contributors=[
            Contributor(name="Reinhard Heinz", role="translator"),
            Contributor(name="Queen (band)"),
            Contributor(name="Jane Roe", role="author (of a preface; and :-)"),
        ],
        format="Board game",
    ),
    AddBookRequest(
        title="\N{NO-BREAK SPACE}blank  within\N{NO-BREAK SPACE}", authors=["One"], description="x" * 10_000
    ),
]


def library(*arguments: str, admin: str = NOBODY, frontend: str = NOBODY) -> Result:
    """Run the command in this process: many runs of it would take long to start."""
    targets = {"LIBRARY_ADMIN_TARGET": admin, "LIBRARY_FRONTEND_TARGET": frontend}
    done = CliRunner().invoke(main, arguments, env=targets, prog_name="library")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def admin(module_servers: Servers, folder: Path) -> ServerProcess:
    server = module_servers.start("admin", f"sqlite:///{folder}/admin.db")
    with open_channel(server.address) as channel:
        for book in BOOKS:
            AdminClient(channel).catalog.AddBook(book, timeout=100)
    return server


@pytest.fixture(scope="module")
def frontend(module_servers: Servers, folder: Path, admin: ServerProcess) -> ServerProcess:
    """A frontend with three users, of whom one has an open loan and one has closed the account."""
    server = module_servers.start("frontend", f"sqlite:///{folder}/frontend.db", ADMIN_TARGET=admin.address)
    clients = server.frontend()
    people = [
        clients.members.EnrollUser(EnrollUserRequest(email=f"{name[0]}@example.org", last_name=name), timeout=100)
        for name in ("Ada", "Eve", "Bob, jr")
    ]
    clients.members.CloseUser(CloseUserRequest(id=people[1].id), timeout=100)
    book = catalogue(admin.address)[1]

    clients.sync.SyncNow(SyncNowRequest(), timeout=100)
    request = BorrowBookRequest(book_id=book.id, user_id=people[0].id, days=14)
    first = clients.lending.BorrowBook(request, timeout=100)
    clients.lending.ReturnBook(ReturnBookRequest(loan_id=first.id), timeout=100)
    clients.lending.BorrowBook(request, timeout=100)
    return server


def plain(book: Book) -> Book:
    """A book without what each library makes by itself."""
    kept = Book()
    kept.CopyFrom(book)
    for name in ("id", "create_time", "update_time", "etag", "next_available_time", "available_copies"):
        kept.ClearField(name)
    return kept


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_can_be_imported_and_exported_again(
    servers: Servers, admin: ServerProcess, tmp_path: Path, form: str
) -> None:
    first, second = tmp_path / f"first.{form}", tmp_path / f"second.{form}"
    done = library("export", str(first), admin=admin.address)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"Exported {len(BOOKS)} books\n")
    other = servers.start("admin", f"sqlite:///{tmp_path}/other.db").address
    imported = library("import", str(first), admin=other)
    assert imported.stdout == f"Added {len(BOOKS)}, already there 0, refused 0\n", imported.stderr
    assert library("export", str(second), admin=other).exit_code == 0
    assert second.read_bytes() == first.read_bytes()
    assert list(map(plain, catalogue(other))) == list(map(plain, catalogue(admin.address)))


def test_both_formats_have_all_values(admin: ServerProcess, tmp_path: Path) -> None:
    table, lines = tmp_path / "books.csv", tmp_path / "books.NDJSON"
    for path in (table, lines):
        assert library("export", str(path), admin=admin.address).exit_code == 0
    with table.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, strict=True)
    objects = [json.loads(line) for line in lines.read_bytes().decode().split("\n") if line]
    assert tuple(header) == INPUT_NAMES
    assert all(tuple(found) == INPUT_NAMES for found in objects)
    assert len(rows) == len(objects) == len(BOOKS)
    for book, row, found in zip(catalogue(admin.address), rows, objects, strict=True):
        cells = dict(zip(header, row, strict=True))
        assert found["authors"] == list(book.authors)
        assert (found["copies"], cells["copies"]) == (book.total_copies, str(book.total_copies))
        for name in ("title", "isbn", "publisher", "category", "language", "cover_uri", "description"):
            assert found[name] == cells[name] == getattr(book, name)
        assert found["published_year"] == (book.published_year or None)
        assert int(cells["published_year"] or 0) == book.published_year
    assert rows[1][header.index("authors")].startswith('["Smith; Jones Ltd", "A & B"')
    assert rows[3][header.index("published_year")] == "0007"
    assert rows[3][header.index("authors")] == "Last, First"
    printed = library("export", "-", "--format", "jsonl", admin=admin.address)
    assert printed.stdout.encode() == lines.read_bytes()


def test_users_and_loans_are_private(frontend: ServerProcess, admin: ServerProcess, tmp_path: Path) -> None:
    people, loans = tmp_path / "users.csv", tmp_path / "loans.jsonl"
    people.write_text("old")
    people.chmod(0o644)
    assert library("export", str(people), "--users", frontend=frontend.address).exit_code == 0
    assert library("export", str(loans), "--loans", frontend=frontend.address, admin=admin.address).exit_code == 0
    assert [stat.S_IMODE(file.stat().st_mode) for file in (people, loans)] == [0o600, 0o600]
    with people.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == USER_COLUMNS
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(user["email"], user["last_name"], user["state"], user["active_loan_count"]) for user in found] == [
        ("A@example.org", "Ada", "active", "1"), ("E@example.org", "Eve", "closed", "0"),
        ("B@example.org", "Bob, jr", "active", "0"),
    ]  # fmt: skip
    returned, active = [json.loads(line) for line in loans.read_text().splitlines()]
    assert tuple(returned) == LOAN_COLUMNS
    assert (returned["state"], active["state"], active["return_time"]) == ("returned", "active", None)
    assert returned["return_time"].endswith("Z")
    assert returned["user_id"] == active["user_id"] == found[0]["id"]
    assert active["book_title"] == BOOKS[1].title


def test_an_export_that_fails_keeps_the_old_file(admin: ServerProcess, tmp_path: Path) -> None:
    file, link = tmp_path / "books.csv", tmp_path / "link.csv"
    file.write_text("old")
    link.symlink_to(file)
    done = library("export", str(link))
    assert (done.exit_code, file.read_text()) == (2, "old")
    assert f"Nothing answers at {NOBODY}" in done.stderr
    for arguments in ([str(tmp_path)], [], [str(tmp_path / "no" / "folder.csv")], [str(file), "--format", "xml"]):
        assert library("export", *arguments, admin=admin.address).exit_code == 2
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["books.csv", "link.csv"]
    assert library("export", str(link), admin=admin.address).exit_code == 0
    assert link.is_symlink()
    assert file.read_text().startswith("title,")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["books.csv", "link.csv"]


def test_an_export_into_a_pipe_is_whole_and_ends_quietly_when_nobody_reads(admin: ServerProcess) -> None:
    command = [*COMMAND, "export", "-"]
    done = subprocess.run(command, env=environment(admin.address), capture_output=True, timeout=100, check=False)
    assert (done.returncode, done.stdout.count(b"\r\n1984,007,")) == (0, 1)
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as pipe:
        done = subprocess.run(
            command, env=environment(admin.address), stdout=pipe, stderr=subprocess.PIPE, timeout=100, check=False
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_an_export_that_cannot_work_is_refused_before_anything_is_written(admin: ServerProcess, tmp_path: Path) -> None:
    nowhere = library("export", "-", admin="127.0.0.1:1")
    assert (nowhere.exit_code, nowhere.stdout) == (2, "")
    done = library("export", str(tmp_path / "no" / "folder.csv"), admin=admin.address)
    assert done.exit_code == 2
    assert done.stderr == f"Error: {tmp_path}/no/folder.csv cannot be written: No such file or directory\n"
    two_kinds = library("export", str(tmp_path / "rows.csv"), "--users", "--loans", admin=admin.address)
    assert two_kinds.exit_code == 2
    assert "--users and --loans cannot be used together" in two_kinds.stderr
    assert not (tmp_path / "rows.csv").exists()
