"""The operator's command `library`, run as people and scripts run it, against real servers."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from library_cli.importing.sending import SAMPLE
from tests.support.library_command import COMMAND, NOBODY, catalogue, environment, library
from tests.support.processes import ServerProcess, Servers
from tests.support.rest import RestServers


@pytest.fixture
def admin_process(servers: Servers, tmp_path: Path) -> ServerProcess:
    return servers.start("admin", f"sqlite:///{tmp_path}/admin.db")


@pytest.fixture
def admin(admin_process: ServerProcess) -> str:
    """An admin service with an empty catalogue."""
    return admin_process.address


@pytest.fixture(scope="module")
def used_admin(module_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An admin service for tests that mind no other books; each imports other ISBNs."""
    return module_servers.start("admin", f"sqlite:///{tmp_path_factory.mktemp('used')}/admin.db").address


def isbn(number: int) -> str:
    digits = f"979{number:09d}"
    return digits + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10)


MIXED = """\
copies,title,authors,isbn,published_year,category,description
2,Dune,Frank Herbert,0-441-01359-7,1965,A1,"Sand,
and spice"
-1,No copies,Nobody,,,,
1,Wrong ISBN,Nobody,9780441013594,,,
,Foundation,Isaac Asimov,978-0-553-29335-7,1951,,
1,Dune again,Frank Herbert,9780441013593,,,
x,,Nobody,,MCM,,
1,Too few values
,Ancient,Homer,,-7000,,
3,"Gödel, Escher, Bach",Douglas R. Hofstadter,9780465026562,1979,,
"""


def test_bad_rows_are_reported_with_line_field_and_reason_and_the_others_added(admin: str, tmp_path: Path) -> None:
    file = tmp_path / "mixed.csv"
    file.write_text(MIXED, encoding="utf-8-sig")

    done = library("import", str(file), admin=admin)

    assert done.returncode == 1
    assert done.stdout == "Added 3, already there 1, refused 5\n"
    reported = [line.partition(": ")[0::2] for line in done.stderr.splitlines()]
    assert reported.pop()[0] == "To undo this import"
    assert [line for line, _ in reported] == [
        "line 4", "line 5", "line 7", "line 8", "line 8", "line 8", "line 9", "line 10", "up to line 11",
    ]  # fmt: skip
    reasons = [reason for _, reason in reported]
    assert reasons[0].startswith("copies: ")
    assert reasons[1].startswith("isbn: '9780441013594': the check digit does not fit")
    changes = "title 'Dune' → 'Dune again', copies '2' → '1'"
    assert re.fullmatch(f"isbn: already there as book [0-9a-f-]{{36}}; would change: {changes}", reasons[2])
    fields = [reason.split(":")[0] for reason in reasons[3:8]]
    assert fields == ["title", "published_year", "copies", "row", "published_year"]

    dune, foundation, hofstadter = catalogue(admin)
    assert (dune.title, dune.isbn, dune.total_copies) == ("Dune", "9780441013593", 2)
    assert (dune.published_year, dune.description, list(dune.authors)) == (1965, "Sand,\nand spice", ["Frank Herbert"])
    assert (foundation.isbn, foundation.total_copies) == ("9780553293357", 1)
    assert hofstadter.title == "Gödel, Escher, Bach"


def test_a_second_import_adds_nothing_and_does_not_fail(admin: str, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("title,isbn\nDune,9780441013593\nFoundation,0553293354\n")
    first = library("import", str(file), admin=admin)
    assert (first.returncode, first.stdout) == (0, "Added 2, already there 0, refused 0\n")
    before = catalogue(admin)

    second = library("import", str(file), admin=admin)

    assert (second.returncode, second.stdout) == (0, "Added 0, already there 2, refused 0\n")
    assert f"line 2: isbn: already there as book {before[0].id}" in second.stderr
    assert catalogue(admin) == before


def test_a_dry_run_shows_the_counts_of_the_import_and_adds_nothing(admin: str) -> None:
    rows = [f"Book {number},{isbn(number)}," for number in range(2500)]
    rows[2200] = f"Again,{isbn(7)},"  # two batches after the first one with this ISBN
    rows[2300] = f"Bad,{isbn(2300)},-1"
    content = "\n".join(["title,isbn,copies", *rows]).encode()

    dry = library("import", "-", "--dry-run", stdin=content, admin=admin)

    assert (dry.returncode, dry.stdout) == (1, "Would add 2498, already there 1, would refuse 1\n")
    assert "line 2202: isbn: already there" in dry.stderr
    assert "line 2302: copies: " in dry.stderr
    assert catalogue(admin) == []
    real = library("import", "-", stdin=content, admin=admin)
    assert (real.returncode, real.stdout) == (1, "Added 2498, already there 1, refused 1\n")
    assert len(catalogue(admin)) == 2498


def test_an_import_that_reached_no_catalogue_reports_no_unanswered_rows() -> None:
    with ThreadPoolExecutor(1) as pool:
        other_service = grpc.server(pool)
        port = other_service.add_insecure_port("127.0.0.1:0")
        other_service.start()
        for target in (f"127.0.0.1:{port}", "no-such-host.invalid:1"):
            done = library("import", "-", stdin=b"title\nEmma\n", admin=target)
            assert done.returncode == 2
            assert "not answered" not in done.stderr
        other_service.stop(None).wait()


def test_progress_without_a_terminal_is_a_line_for_the_first_batch_and_the_end(used_admin: str) -> None:
    content = "\n".join(["title,isbn", *(f"Book,{isbn(number)}" for number in range(10_000, 12_001))]).encode()
    done = library("import", "-", stdin=content, admin=used_admin)
    first, *others, last, undo = done.stderr.splitlines()  # others on a slow machine: one every few seconds
    assert first == "up to line 501: added 500, already there 0, refused 0"
    assert all(re.search("; [0-9,]+ rows a second$", line) for line in [*others, last])
    assert last.startswith("up to line 2002: added 2001, already there 0, refused 0; ")
    assert re.fullmatch("To undo this import: library import --undo [0-9a-f-]{36}", undo)


def test_a_terminal_sees_a_bar_and_the_bad_rows(used_admin: str, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    good = "".join(f"Book,{isbn(number)}\n" for number in range(20_000, 21_500))
    file.write_text(f"title,isbn\n{good}Bad,1\n")
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "import", str(file)],
        env=environment(used_admin, TERM="xterm", COLUMNS="100"),
        stdout=subprocess.PIPE,
        stderr=its_end,
    ) as running:
        os.close(its_end)
        seen = b""
        while chunk := read(terminal):
            seen += chunk
        os.close(terminal)
        assert running.stdout is not None
        assert running.stdout.read() == b"Added 1500, already there 0, refused 1\n"
    assert running.returncode == 1
    assert "━" in seen.decode()
    assert b"100%" in seen
    assert b"rows a second" in seen
    assert b"line 1502: isbn: '1': an ISBN has 10 or 13 digits, but this has 1" in seen


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end was closed
        return b""


def test_the_sample_goes_in_whole_but_only_into_an_empty_catalogue(admin: str) -> None:
    with SAMPLE.open(encoding="utf-8") as file:
        rows = len(file.readlines()) - 1
    first = library("import", "--sample", "--only-if-empty", admin=admin)
    assert (first.returncode, first.stdout) == (0, f"Added {rows}, already there 0, refused 0\n")
    second = library("import", "--sample", "--only-if-empty", admin=admin)
    assert second.returncode == 0
    assert second.stdout == f"Nothing was imported, because the catalogue has books: {rows}.\n"
    assert len(catalogue(admin)) == rows


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: its first line must name the columns."),
        (b"name\nDune\n", '--map "name=title"'),
        (b"Dune,Frank Herbert\n", "has no column 'title' in line 1, where columns are named"),
        ("title\nÉmile\nL'É".encode() + b"\xc9\n", "is UTF-8 text, but not in line 3 (byte 0xc9); correct that line"),
        (None, "does not exist"),
    ],
)
def test_a_file_that_cannot_be_imported_is_a_sentence_and_exit_status_2(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "books.csv"
    if content is not None:
        file.write_bytes(content)
    done = library("import", str(file))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["import"], ["import", "--sample", __file__], ["import", "-", "--wrong"]])
def test_a_wrong_command_line_is_exit_status_2(arguments: list[str]) -> None:
    done = library(*arguments)
    assert done.returncode == 2
    assert "Usage: " in done.stderr


def test_a_service_that_does_not_answer_is_exit_status_2() -> None:
    done = library("import", "--sample")
    assert done.returncode == 2
    assert f"Error: Nothing answers at {NOBODY}; is the service running there?" in done.stderr


def feed(admin: str, first: int) -> subprocess.Popen[bytes]:
    """Begin an import whose input goes on, and wait until its first batch is in."""
    running = subprocess.Popen(
        [*COMMAND, "import", "-"],
        env=environment(admin),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stderr is not None
    running.stdin.write(b"title,isbn\n" + b"".join(f"Book,{isbn(n)}\n".encode() for n in range(first)))
    running.stdin.flush()
    assert running.stderr.readline() == f"up to line {first + 1}: added {first}, already there 0, refused 0\n".encode()
    return running


def test_an_interrupted_import_prints_how_to_continue(admin: str) -> None:
    running = feed(admin, first=500)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=100)
    assert running.returncode == 130
    expected = "Interrupted.\nUp to line 501: added 500, already there 0, refused 0. Go on with the command below"
    assert expected.encode() in errors
    assert re.search(rb"\nlibrary import --run [0-9a-f-]{36} --from-line 502 -\n", errors)
    assert len(catalogue(admin)) == 500


def test_an_import_whose_service_stops_prints_how_to_continue(
    admin_process: ServerProcess,
) -> None:
    running = feed(admin_process.address, first=500)
    assert admin_process.stop() == 0
    _, errors = running.communicate(b"Late," + isbn(1000).encode() + b"\n", timeout=100)
    assert running.returncode == 2
    assert f"Error: Nothing answers at {admin_process.address}".encode() in errors
    assert b"Up to line 501: added 500" in errors
    assert b" --from-line 502 -\n" in errors


@pytest.mark.parametrize("size", [20, pytest.param(9_000, marks=pytest.mark.slow)])
def test_an_import_whose_service_is_killed_reports_what_was_added_and_continues(
    admin_process: ServerProcess, tmp_path: Path, size: int
) -> None:
    """The rows have no ISBN, so nothing but the run and the line keeps them from being added twice."""
    file = tmp_path / "books.csv"
    count = 3_000
    titles = [f"Book {number}" for number in range(count)]
    file.write_text("title,description\n" + "".join(f"{title},{'x' * size}\n" for title in titles))
    running = subprocess.Popen(
        [*COMMAND, "import", str(file)], env=environment(admin_process.address), stderr=subprocess.PIPE
    )
    assert running.stderr is not None
    running.stderr.readline()
    admin_process.kill()
    _, errors = running.communicate(timeout=100)
    assert running.returncode == 2, errors
    printed = errors.decode()
    match = re.search(r"^Up to line (\d+): added (\d+), already there 0, refused 0\.", printed, re.MULTILINE)
    assert match, printed
    line, added = map(int, match.groups())
    assert line == added + 1
    admin_process.start()
    is_in = sorted(book.title for book in catalogue(admin_process.address))
    go_on = line + 1
    if sent := re.search(r"Lines (\d+) to (\d+) were sent, but not answered", printed):
        first, last = map(int, sent.groups())
        assert first == go_on
        assert is_in in (sorted(titles[: first - 2]), sorted(titles[: last - 1]))
    else:
        assert is_in == sorted(titles[: go_on - 2])
    command = re.search(r"^library (import --run \S+ --from-line .*)$", printed, re.MULTILINE)
    assert command, printed
    arguments = shlex.split(command[1])
    assert arguments[-3:] == ["--from-line", str(go_on), str(file)]
    # Once as printed, and once from the beginning: whether the batch without an answer is in or not, no row is doubled.
    rest = library(*arguments, admin=admin_process.address)
    assert rest.returncode == 0, rest.stderr
    whole = library(*arguments[:3], str(file), admin=admin_process.address)
    assert whole.stdout == f"Added {count}, already there 0, refused 0, {count} of these before\n"
    assert sorted(book.title for book in catalogue(admin_process.address)) == sorted(titles)


def test_health_is_an_exit_status(used_admin: str) -> None:
    up = library("health", used_admin, admin=used_admin)
    assert (up.returncode, up.stdout) == (0, "SERVING\n")
    down = library("health", NOBODY, admin=used_admin)
    assert down.returncode == 1
    assert f"Nothing answers at {NOBODY}" in down.stderr


def test_health_of_the_rest_service_is_an_exit_status(used_admin: str, rest_servers: RestServers) -> None:
    rest = rest_servers.start([used_admin])
    for url in (rest.url, f"{rest.url}/healthz"):
        done = subprocess.run(
            [*COMMAND, "health", url],
            env=environment(http_proxy=f"http://{NOBODY}"),  # which is for the web, and must not be used
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "SERVING\n"), done.stderr
    down = library("health", f"http://{NOBODY}/healthz")
    assert down.returncode == 1
    assert f"Nothing answers at http://{NOBODY}; is the REST service running there?" in down.stderr
    other = library("health", f"http://{used_admin}")
    assert other.returncode == 1
    assert f"What answers at http://{used_admin} is another program than the REST service." in other.stderr


def test_health_of_a_rest_service_that_waits_for_its_target(used_admin: str, rest_servers: RestServers) -> None:
    rest = rest_servers.prepare([used_admin, NOBODY])
    rest.launch()
    rest.wait_until_listening()
    done = library("health", rest.url)
    assert (done.returncode, done.stdout) == (1, "NOT_SERVING\n")
    status = json.loads(library("status", "--json", "--rest-url", rest.url).stdout)["rest"]
    assert status["health"] == "NOT_SERVING"
    assert status["targets"] == [
        {"target": used_admin, "health": "SERVING"},
        {"target": NOBODY, "health": "NOT_SERVING"},
    ]


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://127.0.0.1", "http://[::1"])
def test_status_requires_a_url_for_the_rest_service(url: str) -> None:
    done = library("status", "--rest-url", url)
    assert done.returncode == 2
    assert "is not a URL such as http://127.0.0.1:8080" in done.stderr


def test_status_shows_services_that_answer_and_those_that_do_not(used_admin: str) -> None:
    library("import", "-", stdin=b"title\nDune\n", admin=used_admin)
    done = library("status", "--json", "--rest-url", f"http://{NOBODY}", admin=used_admin)
    assert done.returncode == 1
    status = json.loads(done.stdout)
    assert status["admin"]["health"] == "SERVING"
    assert status["admin"]["book_count"] >= 1
    assert status["admin"]["store_size_bytes"] > 0
    assert status["frontend"]["health"] == "NO_ANSWER"
    assert NOBODY in status["frontend"]["error"]
    assert status["rest"]["health"] == "NO_ANSWER"
    assert NOBODY in status["rest"]["error"]
