"""`library import` with books that exist already, runs that go on and runs that are undone."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from library.admin.v1.catalog_service_pb2 import UpdateBookRequest
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library_cli.__main__ import main
from library_cli.importing.run_options import continued
from tests.support.clients import AdminClient, open_channel
from tests.support.library_command import catalogue
from tests.support.processes import Servers


def library(*arguments: str, admin: str, stdin: bytes = b"") -> Result:
    """Run the command in this process: many runs of it would take long to start."""
    command, *options = arguments
    done = CliRunner().invoke(main, [command, "--admin-target", admin, *options], input=stdin, prog_name="library")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


DUNE = "title,authors,isbn,publisher,copies\nDune,Frank Herbert,9780441013593,Ace,2\n"


@pytest.fixture
def admin(servers: Servers, tmp_path: Path) -> str:
    """An admin service with one book."""
    address = servers.start("admin", f"sqlite:///{tmp_path}/admin.db").address
    assert library("import", "-", stdin=DUNE.encode(), admin=address).exit_code == 0
    return address


def undo_of(stderr: str) -> str:
    found = re.search("To undo this import: library import --undo ([0-9a-f-]{36})", stderr)
    assert found, stderr
    return found[1]


def test_existing_books_are_shown_updated_or_get_copies(admin: str) -> None:
    [dune] = catalogue(admin)
    content = b"title,authors,isbn,publisher,copies\ndune,Frank Herbert,,Ace Books,\nDune,,9780441013593,,3\n"

    def run(*arguments: str) -> tuple[str, list[str]]:
        done = library("import", "-", "--match", "title", *arguments, stdin=content, admin=admin)
        assert done.exit_code == 0, done.stderr
        return done.stdout, [line for line in done.stderr.splitlines() if line.startswith("line ")]

    title, publisher, more = "title 'Dune' → 'dune'", "publisher 'Ace' → 'Ace Books'", "copies '2' → '3'"
    there = f"isbn or title: already there as book {dune.id}; would change"
    assert run() == (
        "Added 0, already there 2, refused 0\n",
        [f"line 2: {there}: {title}, {publisher}", f"line 3: {there}: {more}"],
    )
    assert catalogue(admin) == [dune]
    for dry in (("--dry-run",), ()):
        summary, lines = run("--on-duplicate", "add-copies", *dry)
        add, refuse = ("would add", "would refuse") if dry else ("added", "refused")
        assert summary == f"{add.capitalize()} 0, {add} copies to 2, already there 0, {refuse} 0\n"
        assert lines[0] == f"line 2: {add} copies to book {dune.id}: {more}"
    assert catalogue(admin)[0].total_copies == 6
    summary, lines = run("--on-duplicate", "update")
    assert summary == "Added 0, updated 2, already there 0, refused 0\n"
    assert lines[0] == f"line 2: updated book {dune.id}: {title}, {publisher}"
    [now] = catalogue(admin)
    assert (now.title, now.publisher, list(now.authors), now.total_copies) == (
        "Dune",
        "Ace Books",
        ["Frank Herbert"],
        3,
    )


def test_a_run_is_listed_and_undone_but_for_changed_books(admin: str, tmp_path: Path) -> None:
    [dune] = catalogue(admin)
    file = tmp_path / "new books.csv"
    rows = "".join(f"Book {number},,\n" for number in range(600))
    file.write_text(f"title,isbn,copies\nDune,9780441013593,5\n{rows}")
    done = library("import", str(file), "--on-duplicate", "update", admin=admin)
    run_id = undo_of(done.stderr)
    assert done.stdout == "Added 600, updated 1, already there 0, refused 0\n"
    books = catalogue(admin)
    with open_channel(admin) as channel:
        changed = Book(id=books[7].id, publisher="Mine")
        AdminClient(channel).catalog.UpdateBook(UpdateBookRequest(book=changed), timeout=100)

    newest, _ = json.loads(library("import", "--runs", "--json", admin=admin).stdout)
    assert (newest["id"], newest["source"], newest["added_count"]) == (run_id, str(file), 600)
    line = library("import", "--runs", admin=admin).stdout.splitlines()[0].split("\t")
    assert [line[0], *line[2:]] == [run_id, "600", "1", "0", "0", "update", "", str(file)]

    undone = library("import", "--undo", run_id, admin=admin)
    assert (undone.exit_code, undone.stdout) == (1, "Removed 599, restored 1, left alone 1\n")
    assert undone.stderr.startswith(f"left alone, as it was changed since: {books[7].id} Book 6\n")
    left = catalogue(admin)
    assert [(book.id, book.total_copies) for book in left] == [(dune.id, 2), (books[7].id, 1)]
    again = library("import", str(file), "--run", run_id, "--on-duplicate", "update", admin=admin)
    assert again.exit_code == 2
    assert f"The import {run_id} was undone" in again.stderr
    results = json.loads(library("import", "--undo", run_id, "--json", admin=admin).stdout)
    assert len(results) == 601
    assert catalogue(admin) == left
    assert all(book.state != BOOK_STATE_REMOVED for book in left)


def test_wrong_ids_and_options_are_a_sentence_and_exit_status_2(admin: str) -> None:
    for arguments, complaint in (
        (["--undo", "7"], "'7' is not the id of a run"),
        (["-", "--run", "x"], "'x' is not the id of a run"),
        (["-", "--undo", str(uuid.uuid4())], "--undo cannot be used with a FILE"),
        (["--undo", str(uuid.uuid4()), "--runs"], "--undo cannot be used with other options of an import: --runs"),
        (["-", "--json"], "--json goes with --runs or --undo"),
        *(
            ([*asked, *others], f"{asked[0]} cannot be used with other options of an import: {others[0]}")
            for asked in (["--undo", str(uuid.uuid4())], ["--runs"])
            for others in (["--dry-run"], ["--rejects", "x"], ["--from-line", "2"], ["--on-duplicate", "update"])
        ),
        (["--undo", str(uuid.uuid4())], "No import has been done under the run id"),
        (["--runs", "--admin-target", "127.0.0.1:1"], "Nothing answers at 127.0.0.1:1"),
        (["--undo", str(uuid.uuid4()), "--admin-target", "127.0.0.1:1"], "Nothing answers at 127.0.0.1:1"),
    ):
        done = library("import", *arguments, admin=admin)
        assert done.exit_code == 2, arguments
        assert complaint in done.stderr
    file = b"title\nA\nB\n"
    run_id = str(uuid.uuid4())
    assert library("import", "-", "--run", run_id, stdin=file, admin=admin).exit_code == 0
    other = library("import", "-", "--run", run_id, "--match", "title", stdin=file, admin=admin)
    assert other.exit_code == 2
    assert "must be false, as in the earlier rows of this run" in other.stderr
    changed = library("import", "-", "--run", run_id, stdin=b"title\nA\nC\n", admin=admin)
    assert changed.exit_code == 1
    assert "line 3: line: was imported in this run with other values" in changed.stderr
    assert changed.stdout == "Added 1, already there 0, refused 1, 1 of these before\n"


def test_the_command_that_goes_on_has_all_other_options(tmp_path: Path) -> None:
    for arguments in (
        ["import", "my books.csv", "--on-duplicate", "update"],
        ["import", "--run", "old", "my books.csv", "--from-line=7", "--only-if-empty", "--on-duplicate", "update"],
    ):
        expected = "library import --run new --from-line 9 'my books.csv' --on-duplicate update"
        assert continued(arguments, "new", 9) == expected
    refused = tmp_path / "refused.csv"
    for name in ("refused.csv", "refused-2.csv", "refused-3.csv"):
        for arguments in (["--rejects", str(refused)], [f"--rejects={refused}"]):
            assert continued(["import", "a.csv", *arguments], "new", 9).endswith(str(tmp_path / name))
        (tmp_path / name).touch()


def test_an_import_that_stopped_behind_its_last_row_goes_on_there(admin: str) -> None:
    run_id = str(uuid.uuid4())
    file = b"title\nA\nB\n"
    assert library("import", "-", "--run", run_id, stdin=file, admin=admin).exit_code == 0
    done = library("import", "-", "--run", run_id, "--from-line", "4", stdin=file, admin=admin)
    assert (done.exit_code, done.stdout) == (0, "Added 0, already there 0, refused 0\n")
