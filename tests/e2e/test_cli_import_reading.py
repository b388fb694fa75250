"""`library import` of files that are not plain CSV: what it asks, what it refuses, and where refused rows go."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from pathlib import Path

import openpyxl
import pytest

from tests.support.library_command import COMMAND, catalogue, environment, library
from tests.support.processes import Servers


@pytest.fixture(scope="module")
def admin(module_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    return module_servers.start("admin", f"sqlite:///{tmp_path_factory.mktemp('reading')}/admin.db").address


def titles(admin: str) -> list[str]:
    return [book.title for book in catalogue(admin)]


def test_guesses_are_shown_and_must_be_confirmed_before_anything_is_written(admin: str, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_bytes("Title;Author\nL’Étranger;Albert Camus\n".encode("cp1252"))
    before = titles(admin)

    piped = library("import", str(file), admin=admin)

    assert piped.returncode == 2
    for shown in ("windows-1252", "separated by ';'", '"Author" is authors: "Albert Camus"', "add --yes"):
        assert shown in piped.stderr
    dry = library("import", str(file), "--dry-run", admin=admin)
    assert (dry.returncode, dry.stdout) == (0, "Would add 1, already there 0, would refuse 0\n")
    assert '"Author" is authors: "Albert Camus"' in dry.stderr
    assert answered(file, b"n\n", admin) == 2
    assert titles(admin) == before
    assert answered(file, b"y\n", admin) == 0
    assert titles(admin) == [*before, "L’Étranger"]
    assert list(catalogue(admin)[-1].authors) == ["Albert Camus"]


def answered(file: Path, answer: bytes, admin: str) -> int:
    """Import a file on a terminal, and answer the question; return the exit status."""
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "import", str(file)],
        env=environment(admin, TERM="dumb"),
        stdin=its_end,
        stdout=subprocess.DEVNULL,
        stderr=its_end,
    ) as running:
        os.close(its_end)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(terminal, 65536)
        os.write(terminal, answer)
        while True:
            try:
                os.read(terminal, 65536)
            except OSError:  # the command has ended
                break
    os.close(terminal)
    return running.returncode


def test_a_column_that_is_not_understood_stops_the_import_and_its_message_has_what_to_add(admin: str) -> None:
    content = b"title,Autr,Signatur\nTransit,Anna Seghers,A1\n"
    before = titles(admin)

    done = library("import", "-", "--yes", stdin=content, admin=admin)

    assert done.returncode == 2
    assert '"Signatur": "A1"' in done.stderr
    assert '--map "Autr=authors" --ignore "Signatur"' in done.stderr
    assert titles(admin) == before
    again = library("import", "-", "--map", "Autr=authors", "--ignore", "Signatur", stdin=content, admin=admin)
    assert again.returncode == 0, again.stderr
    assert list(catalogue(admin)[-1].authors) == ["Anna Seghers"]


def test_refused_rows_are_written_as_they_were_and_can_be_corrected_and_imported(admin: str, tmp_path: Path) -> None:
    file, rejects = tmp_path / "books.csv", tmp_path / "rejects.csv"
    rows = ["A1;1998;", "B1;98;", 'C1;-9000;"x\r\ny"', "D1;1999;2;3", '"E1;2000;', "F1;2001;"]
    content = "\r\n".join(["sep=;", "title;published_year;description", *rows, ""]).encode("utf-16")
    file.write_bytes(content)

    done = library("import", str(file), "--rejects", str(rejects), admin=admin)

    assert (done.returncode, done.stdout) == (1, "Added 2, already there 0, refused 4\n")
    assert f"Refused rows are in {rejects}: 4." in done.stderr
    refused = "\r\n".join(["sep=;", "title;published_year;description", *rows[1:5], ""])
    assert rejects.read_bytes() == refused.encode("utf-16")
    assert sorted(tmp_path.iterdir()) == [file, rejects]
    again = library("import", str(file), "--rejects", str(rejects), admin=admin)
    assert again.returncode == 2
    assert f"{rejects} exists already" in again.stderr
    corrected = refused.replace(";98;", ";1998;").replace("-9000", "-900").replace(";2;3", ";2").replace('"E', "E")
    rejects.write_bytes(corrected.encode("utf-16"))
    last = library("import", str(rejects), "--rejects", str(tmp_path / "more.csv"), admin=admin)
    assert (last.returncode, last.stdout) == (0, "Added 4, already there 0, refused 0\n"), last.stderr
    assert "No row was refused, so" in last.stderr
    assert sorted(tmp_path.iterdir()) == [file, rejects]
    assert {"A1", "B1", "C1", "D1", "E1", "F1"} <= set(titles(admin))


def test_refused_rows_of_a_workbook_are_a_workbook(admin: str, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.xlsx"
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Books")
    for row in (["title", "isbn", "copies"], ["Gut", 9780441013593, 1], ["=1+1", 9780441013594, 2], [None, None, 3]):
        sheet.append(row)
    sheet["A3"].data_type = "s"
    file = io.BytesIO()
    book.save(file)

    done = library("import", "-", "--sheet", "Books", "--rejects", str(rejects), stdin=file.getvalue(), admin=admin)

    assert (done.returncode, done.stdout) == (1, "Added 1, already there 0, refused 2\n"), done.stderr
    written = openpyxl.load_workbook(rejects)["Books"]
    assert list(written.values) == [("title", "isbn", "copies"), ("=1+1", 9780441013594, 2), (None, None, 3)]
    assert written["A2"].data_type == "s"
    again = library("import", str(rejects), "--sheet", "Books", admin=admin)
    assert again.stdout == "Added 0, already there 0, refused 2\n"


def test_refused_rows_of_json_lines_are_json_lines(admin: str, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.jsonl"
    bad = ['{"title": "Y", "copies": -1}', '{"title": "Z"', '{"isbn": "1"}']
    content = "\n".join(['{"title": "Json"}', *bad]).encode()

    done = library("import", "-", "--rejects", str(rejects), "--from-line", "2", stdin=content, admin=admin)

    assert (done.returncode, done.stdout) == (1, "Added 0, already there 0, refused 3\n")
    assert rejects.read_text().splitlines() == bad
    no_folder = library("import", "-", "--rejects", str(tmp_path / "no" / "x"), stdin=content, admin=admin)
    assert no_folder.returncode == 2
    assert "cannot be written" in no_folder.stderr


def test_a_line_to_start_from_behind_the_end_is_refused(admin: str) -> None:
    done = library("import", "-", "--from-line", "9", stdin=b"title\nA\nB\n", admin=admin)
    assert done.returncode == 2
    assert "has no line 9, which --from-line names: its last line is 3." in done.stderr
    objects = b'{"title": "A"}\n{"title": "B"}\n'
    whole = library("import", "-", "--from-line", "1", "--dry-run", stdin=objects, admin=admin)
    assert whole.stdout == "Would add 2, already there 0, would refuse 0\n"
