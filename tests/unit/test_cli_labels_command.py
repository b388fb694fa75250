"""The command `library labels`, with services that answer from lists."""

from __future__ import annotations

import pty
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from google.protobuf.timestamp_pb2 import Timestamp

from library.v1.book_pb2 import Book
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN, Item
from library.v1.user_pb2 import User
from library_cli.__main__ import main
from library_cli.labels import sources
from library_cli.labels.ranges import range_in
from library_cli.stopped import CommandStopped
from tests.support.library_command import NOBODY, environment
from tests.support.listing_services import Lists, listing_services
from tests.support.printed import scanned, texts, title_of

DUNE, EMMA = "0193b8a2-5c00-7a1e-9c4d-1f2e3d4c5b6a", "0193b8a2-5c00-7a1e-9c4d-1f2e3d4c5b6b"


@pytest.fixture(scope="module")
def services() -> Iterator[Lists]:
    with listing_services() as lists:
        yield lists


@pytest.fixture(autouse=True)
def rows(services: Lists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the lists, and run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    services.books = [Book(id=DUNE, title="Dune", isbn="9780441013593"), Book(id=EMMA, title="Emma")]
    services.items = [
        Item(
            id=f"i{number}",
            barcode=f"B{number:05}",
            book_id=EMMA if number % 2 else DUNE,
            call_number=f"813.54 {number}",
            shelf="A1",
            create_time=Timestamp(seconds=1_700_000_000 + number * 86_400),
        )
        for number in range(95, 125)
    ]
    services.items[5].state = ITEM_STATE_WITHDRAWN  # B00100
    services.users = [
        User(id="u1", first_name="Łukasz", last_name="Żółć", card_number="20001000000019"),
        User(id="u2", last_name="村上", card_number="K7"),
    ]
    services.rows_read = 0


def labels(services: Lists | None, *arguments: str) -> Result:
    """Run the command in this process."""
    address = services.address if services else NOBODY
    targets = {"LIBRARY_ADMIN_TARGET": address, "LIBRARY_FRONTEND_TARGET": address}
    done = CliRunner().invoke(main, ["labels", *arguments], env=targets, prog_name="library")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def printed(file: str = "labels.pdf") -> list[str]:
    return [each.text for each in scanned(Path(file).read_bytes(), dpi=200)]


def test_labels_of_barcodes_and_ranges_in_their_order(services: Lists) -> None:
    done = labels(services, "b00120", "B00099..B00102", "B00101", "--items")
    assert printed() == ["B00120", "B00099", "B00101", "B00102"]
    assert done.stderr == (
        "Wrote 4 labels on 1 page to labels.pdf, for the sheet L7160. The narrowest bar is 0.34 mm wide. "
        "Print without scaling (100 %).\n"
    )
    (text,) = texts(Path("labels.pdf").read_bytes())
    assert text.split("\r\n")[:6] == ["813.54 120 · A1", "Dune", "B00120", "813.54 99 · A1", "Emma", "B00099"]
    assert title_of(Path("labels.pdf").read_bytes()) == "Barcode labels"


def test_labels_of_a_book_and_of_new_items(services: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAGE_SIZE", 4)
    assert labels(services, "--book", "0-441-01359-7", "--sheet", "l7651").exit_code == 0
    of_dune = [f"B{number:05}" for number in range(96, 125, 2) if number != 100]
    assert printed() == of_dune
    assert labels(services, "--book", DUNE.upper(), "--book", EMMA, "--force").exit_code == 0
    assert len(printed()) == 29
    # 1,700,000,000 is 2023-11-14; B00120 is of 2024-03-13, B00122 of 2024-03-15, at 22:13 UTC.
    assert labels(services, "--since", "2024-03-15T12:00", "--book", DUNE, "--force").exit_code == 0
    assert printed() == ["B00122", "B00124"]
    nothing = labels(services, "--since", "2030-01-01", "--force")
    assert (nothing.exit_code, nothing.stderr) == (1, "Error: No item was found, so no file was written.\n")


def test_cards_of_users_are_private(services: Lists) -> None:
    done = labels(services, "--cards", "k7", "20001000000019", "--library", "Stadtbücherei", "--start", "10")
    assert printed("cards.pdf") == ["K7", "20001000000019"]
    first, second = texts(Path("cards.pdf").read_bytes())
    assert first.split("\r\n") == ["Stadtbücherei", "CunShang", "K7"]
    assert second.split("\r\n") == ["Stadtbücherei", "Łukasz Żółć", "20001000000019"]
    assert done.stderr.startswith(
        'Warning: K7: the font has no letters for "村上"; Latin letters are printed instead.\n'
    )
    assert stat.S_IMODE(Path("cards.pdf").stat().st_mode) == 0o600


def test_cards_by_a_search(services: Lists) -> None:
    assert labels(services, "--cards", "--query", "łuk", "--symbology", "codabar", "--output", "c.pdf").exit_code == 0
    assert printed("c.pdf") == ["A20001000000019A"]


def test_everything_unknown_is_reported_and_nothing_written(services: Lists) -> None:
    done = labels(services, "B00101", "X1", "B00100", "C001..C009")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "Error: No item has the barcode X1.",
        "Error: The item B00100 is withdrawn.",
        "Error: No item has a barcode from C001 to C009.",
    ]
    done = labels(services, "--cards", "K7", "K8")
    assert (done.exit_code, done.stderr) == (1, "Error: No user has the card number K8.\n")
    many = labels(services, *(f"X{number}" for number in range(12)))
    assert many.stderr.splitlines()[10:] == ["The same happened 2 more times."]
    assert "No book has the ISBN 9780553293357" in labels(services, "--book", "9780553293357").stderr
    assert not list(Path().iterdir())


def test_numbers_that_cannot_be_bars_are_reported(services: Lists) -> None:
    done = labels(services, "B00101", "--symbology", "codabar")
    assert done.exit_code == 1
    assert "'B00101' cannot be a barcode in codabar" in done.stderr
    services.users.append(User(id="u3", last_name="Lovelace"))
    assert "cannot be a barcode" in labels(services, "--cards", "--query", "lovelace").stderr
    assert not list(Path().iterdir())


def test_number_of_labels_is_bounded(services: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_LABELS", 7)
    monkeypatch.setattr(sources, "PAGE_SIZE", 4)
    done = labels(services, "--since", "2000-01-01")
    assert done.exit_code == 1
    assert "more than 7 labels" in done.stderr
    assert services.rows_read == 8
    assert "more than 7 labels" in labels(services, "B00101..B00104", "B00111..B00114").stderr
    assert labels(services, "B00101..B00107").exit_code == 0


def test_file_is_only_replaced_by_force(services: Lists) -> None:
    file = Path("labels.pdf")
    file.write_text("mine")
    done = labels(None, "B00101")  # before any call
    assert done.exit_code == 2
    assert done.stderr == "Error: labels.pdf exists. Name another file with --output, or replace it with --force.\n"
    assert file.read_text() == "mine"
    link = Path("link.pdf")
    link.symlink_to(file)
    assert labels(services, "B00101", "--output", str(link), "--force").exit_code == 0
    assert link.is_symlink()
    assert printed() == ["B00101"]
    assert labels(services, "B00101", "--output", "no/folder.pdf").exit_code == 2
    assert sorted(path.name for path in Path().iterdir()) == ["labels.pdf", "link.pdf"]


def test_same_items_make_the_same_file_on_standard_output(services: Lists) -> None:
    assert labels(services, "B00101..B00110").exit_code == 0
    piped = labels(services, "B00101..B00110", "--output", "-")
    assert piped.stdout_bytes == Path("labels.pdf").read_bytes()
    assert piped.stderr.startswith("Wrote 10 labels on 1 page, for the sheet L7160.")


def test_terminal_shows_what_is_read_and_gets_no_pdf(services: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LIBRARY_ADMIN_TARGET", services.address)
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as screen, open(slave, "w") as terminal:  # noqa: PTH123 - they are descriptors
        with redirect_stdout(terminal), pytest.raises(CommandStopped, match="not written to a terminal"):
            main(["labels", "B00101", "--output", "-"], standalone_mode=False)
        with redirect_stderr(terminal):
            main(["labels", "B00101"], standalone_mode=False)
        terminal.flush()
        shown = ""
        while "Print without scaling" not in shown:
            shown += screen.read(4_096).decode()
    assert "Writing 1 label" in shown
    assert "Wrote 1 label on 1 page to labels.pdf" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name barcodes, or card numbers with --cards"),
        (["B1", "--since", "2026-01-01"], "but not both"),
        (["--cards", "--book", DUNE], "--book and --since choose items"),
        (["--query", "ada"], "--query chooses users"),
        (["B1", "--start", "22"], "The sheet L7160 has 21 labels: --start is 22."),
        (["--book", "dune"], "dune is neither the id of a book nor an ISBN"),
        (["--since", "0001-01-01"], "--since is out of range"),
        (["--cards", "ada lovelace"], "'ada lovelace' is not a card number: it must not contain blanks"),
        (["B1.."], "B1.. is not a range: each end must have a visible character."),
        (["B1..B10"], "B1..B10 is not a range: both ends must have the same length"),
    ],
)
def test_command_lines_that_are_refused(services: Lists, arguments: list[str], message: str) -> None:
    done = labels(services, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not list(Path().iterdir())


def test_argument_in_another_encoding(services: Lists) -> None:
    assert "bytes that are not UTF-8" in labels(services, "B\udcff").stderr


def test_no_service() -> None:
    done = labels(None, "B00101")
    assert done.exit_code == 2
    assert "Nothing answers at" in done.stderr


def test_ranges() -> None:
    found = range_in(" b0099..b0103 ")
    assert found is not None
    assert found.prefix == "B0"
    assert [barcode in found for barcode in ("B0098", "B0099", "B0103", "B0104", "B01")] == [0, 1, 1, 0, 0]
    assert range_in("7..7") == ("7", "7")
    assert range_in("B-7") is None
    for text in ("B2..B1", "A1..B2", "..2", "A..B", "1..2..3"):
        with pytest.raises(ValueError, match="is not a range"):
            range_in(text)


def test_command_starts_without_what_writes_pdf() -> None:
    program = (
        "import sys; from library_cli.__main__ import every_command; every_command(); "
        "assert not {'reportlab', 'fontpkg', 'PIL'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], env=environment(), timeout=100, check=True)
