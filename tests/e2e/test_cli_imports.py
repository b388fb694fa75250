"""`library import FILE.mrc` and `library imports`, on a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from library.admin.v1.import_service_pb2 import ImportProblem
from library_cli.__main__ import main
from library_cli.imports.wording import problem_in_words
from tests.support.isbns import isbn13
from tests.support.library_command import catalogue
from tests.support.marc_with_items import marc
from tests.support.processes import Servers


def library(*arguments: str, admin: str) -> Result:
    """Run the command in this process: many runs of it would take long to start."""
    done = CliRunner().invoke(main, [*arguments, "--admin-target", admin], prog_name="library")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def admin(servers: Servers, tmp_path: Path) -> str:
    return servers.start("admin", f"sqlite:///{tmp_path}/admin.db").address


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "books.mrc"
    books = [(f"Title {number}", isbn13(number), [{"p": f"B{number}"}]) for number in range(20)]
    path.write_bytes(marc(*books, ("Taken", isbn13(90), [{"p": "B1"}])))
    return path


def id_in(done: Result) -> str:
    found = re.search("The import has the id ([0-9a-f-]{36})", done.stderr)
    assert found, done.stderr
    return found[1]


def test_a_marc_file_is_imported_shown_undone_and_deleted(admin: str, file: Path) -> None:
    trial = library("import", str(file), "--dry-run", admin=admin)
    assert (trial.exit_code, trial.stdout) == (1, "Would add 20, items 20, already there 0, refused 1\n")
    assert catalogue(admin) == []
    nothing = library("imports", "undo", id_in(trial), admin=admin)
    assert (nothing.exit_code, "was a dry run" in nothing.stderr) == (2, True), nothing.stderr
    done = library("import", str(file), "--items", "952", admin=admin)
    assert (done.exit_code, done.stdout) == (1, "Added 20, items 20, already there 0, refused 1\n")
    refused = f"record 21 (c{isbn13(90)}): items[0].barcode: B1 is the barcode of another item"
    assert refused in done.stderr.splitlines()
    identity = id_in(done)
    assert f"To undo this import: library imports undo {identity}" in done.stderr
    assert len(catalogue(admin)) == 20
    again = library("import", str(file), admin=admin)
    assert again.stdout.startswith("Added 0, already there 20, refused 1")
    listed = library("imports", admin=admin).stdout.splitlines()
    assert [line.split("\t")[2:6] for line in listed] == [
        ["succeeded", "21", "0", "1"], ["succeeded", "21", "20", "1"], ["succeeded (dry run)", "21", "20", "1"],
    ]  # fmt: skip
    assert all(line.endswith("books.mrc") for line in listed)
    shown = library("imports", "show", identity, admin=admin).stdout
    assert "state: succeeded\n" in shown
    assert "format: marc\n" in shown
    [as_json] = json.loads(library("imports", "show", identity, "--json", admin=admin).stdout)
    assert as_json["metadata"]["summary"]["added_count"] == "20"
    problems = library("imports", "problems", identity, admin=admin).stdout
    assert problems.split("\t")[:3] == ["21", f"c{isbn13(90)}", "items[0].barcode"]
    undone = library("imports", "undo", identity, admin=admin)
    assert (undone.exit_code, undone.stdout) == (0, "Removed 20, restored 0, left alone 0\n")
    assert catalogue(admin) == []
    assert "undone: " in library("imports", "show", identity, admin=admin).stdout
    undo_times = [line.split("\t")[6] for line in library("imports", admin=admin).stdout.splitlines()]
    assert [bool(re.fullmatch(r"20\d\d-\d\d-\d\dT.*Z", time)) for time in undo_times] == [False, True, False]
    assert library("imports", "wait", identity, admin=admin).exit_code == 1
    cancelled = library("imports", "cancel", identity, admin=admin)
    assert (cancelled.exit_code, "has ended already" in cancelled.stdout) == (0, True), cancelled.stdout
    assert library("imports", "delete", identity, admin=admin).exit_code == 0
    gone = library("imports", "show", identity, admin=admin)
    assert (gone.exit_code, "No operation has the name" in gone.stderr) == (2, True)
    assert len(library("imports", "list", admin=admin).stdout.splitlines()) == 2


def test_the_beginning_of_an_id_is_enough_if_no_other_has_it(admin: str, file: Path) -> None:
    first, second = (id_in(library("import", str(file), admin=admin)) for _ in "12")
    length = next(place for place, (a, b) in enumerate(zip(first, second, strict=True)) if a != b) + 1
    assert f"id: {first}" in library("imports", "show", first[:length], admin=admin).stdout
    several = library("imports", "show", first[: length - 1], admin=admin)
    assert (several.exit_code, "Several imports" in several.stderr) == (2, True)
    for text in ("zz", "fffffff"):
        none = library("imports", "show", text, admin=admin)
        assert (none.exit_code, "No import has an id" in none.stderr) == (2, True)


def test_what_has_no_effect_is_refused_and_a_bad_file_is_explained(admin: str, file: Path, tmp_path: Path) -> None:
    for options in (["--sheet", "x"], ["--from-line", "3"], ["--rejects", "r.csv"], ["--yes"]):
        done = library("import", str(file), *options, admin=admin)
        assert (done.exit_code, f"{options[0]} cannot be used" in done.stderr) == (2, True), done.stderr
    empty = tmp_path / "empty.mrc"
    empty.write_bytes(b"")
    done = library("import", str(empty), admin=admin)
    assert (done.exit_code, "it is empty" in done.stderr) == (2, True)
    broken = tmp_path / "broken.xml"
    broken.write_text("<collection>A & B</collection>")
    done = library("import", str(broken), admin=admin)
    reason = "The file cannot be read after record 0: the XML is not well-formed at line 1, column 16: invalid token."
    assert (done.exit_code, done.stdout.startswith(reason)) == (2, True), done.stdout
    assert reason in library("imports", "problems", id_in(done), admin=admin).stderr
    table = tmp_path / "table.mrc"
    table.write_text("title,isbn\nDune,9780441013593\n")
    done = library("import", str(table), admin=admin)
    assert (done.exit_code, "does not begin like a file of MARC records" in done.stderr) == (2, True), done.stderr
    nobody = library("import", str(file), admin="127.0.0.1:1")
    assert (nobody.exit_code, "nothing" in nobody.stderr.lower()) == (2, True), nobody.stderr


def test_a_problem_of_a_record_that_is_imported_reads_as_one_sentence() -> None:
    length = ImportProblem(
        record=3, description="The leader states 99999 bytes, but the record has 467.", imported=True
    )
    assert problem_in_words(length) == (
        "record 3: The leader states 99999 bytes, but the record has 467; the record is imported"
    )
    title = ImportProblem(record=4, control_number="c4", description="The record has no title.")
    assert problem_in_words(title) == "record 4 (c4): The record has no title."


def test_other_files_are_imported_as_operations_if_an_option_says_so(admin: str, tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text('{"title": "Dune"}\n{"title": "Emma"}\n')
    done = library("import", str(path), "--format", "json-lines", admin=admin)
    assert (done.exit_code, done.stdout) == (0, "Added 2, already there 0, refused 0\n")
    id_in(done)
