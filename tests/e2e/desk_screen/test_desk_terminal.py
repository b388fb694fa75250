"""`library desk` in a real terminal, against a real frontend: what a person sees."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1.loan_pb2 import Loan
from library_cli.__main__ import main
from tests.e2e.desk_screen.conftest import DeskLibrary
from tests.support.library_command import library
from tests.support.lost_answers import LosingProxy
from tests.support.terminal import Terminal

Start = Callable[..., Terminal]
F2, F6, F8, F10 = "\x1bOQ", "\x1b[17~", "\x1b[19~", "\x1b[21~"
GREEN, RED, YELLOW, NONE = "green", "red", "brown", "default"


def plain(screen: str) -> str:
    """The screen without what differs in each run: dates and times."""
    return re.sub(r"\d\d:\d\d ", "TIME ", re.sub(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d", "DATE", screen)).rstrip()


def loans(library: DeskLibrary, *, only_open: bool = True) -> list[Loan]:
    return list(library.process.frontend().lending.ListLoans(ListLoansRequest(only_open=only_open), timeout=100).loans)


def test_a_morning_on_80_by_24(library_with_items: DeskLibrary, terminal: Start) -> None:
    barcodes, cards = library_with_items.barcodes, library_with_items.cards
    desk = terminal("--branch", "main")
    desk.wait_for("F1 help")
    # As fast as a scanner can: the calls of the first still run when the others come.
    desk.type("".join(f"{scan}\r" for scan in (cards["Ada"], barcodes["Dune"], barcodes["Emma"], barcodes["Kindred"])))
    screen = desk.wait_for("REFUSED", unless=["waiting"])
    assert plain(screen) == (
        f"""\
Desk · main · Grace
Ada Lovelace · card {cards["Ada"]} · 2 of 2 loans
  DATE  Dune
  DATE  Emma

 REFUSED
"Kindred": The limit is 2 loans. Something must come back first.
To override it, with a reason: F8 or /override

TIME LENT: "Emma", due DATE
TIME LENT: "Dune", due DATE
TIME USER: Ada Lovelace · card {cards["Ada"]} · 0 of 2 loans










>
F1 help F2 check-in F3 renew all F4 find F5 close F6 undo F7 days F8 override"""
    )
    assert desk.colours(" REFUSED")[0][1] == RED
    desk.type(F8)
    desk.wait_for("LOAN_LIMIT_REACHED: The limit is 2 loans.", "Reason for the override >")
    desk.type("School project\r")
    desk.wait_for('"Kindred", due', "Overridden: LOAN_LIMIT_REACHED", "3 of 2 loans")
    assert desk.colours(" LENT ")[0][1] == GREEN
    desk.type(F6)
    desk.wait_for('"Kindred" is not lent.', "2 of 2 loans")
    desk.type(f"{F2}{barcodes['Dune']}\r{barcodes['Dune']}\r")
    desk.wait_for("CHECK-IN", "WAS NOT OUT", 'RETURNED: "Dune"')
    assert desk.colours(" WAS NOT OUT ")[0][1] == YELLOW
    assert [loan.book_title for loan in loans(library_with_items)] == ["Emma"]
    desk.resize(50, 14)
    small = desk.wait_for("WAS NOT OUT", unless=["F6 undo"])
    assert small.splitlines()[-2:] == [">", "F1 help F2 check-in F3 renew all F4 find F5 close"]
    desk.type(F10)
    assert desk.wait_for_end() == 0
    assert desk.written.count(b"\a") == 1, "for the refusal"
    assert b"\x1b[?1049l" in desk.written, "the terminal shows again what it showed before"


@pytest.mark.slow
def test_no_colours_a_narrow_terminal_and_no_bell(library_with_items: DeskLibrary, terminal: Start) -> None:
    desk = terminal("--no-bell", columns=30, rows=12, NO_COLOR="1")
    desk.type(f"{library_with_items.cards['Ada']}\rNONSENSE\r")
    screen = desk.wait_for("REFUSED", unless=["waiting"])
    assert "No item and no card has the\n  number NONSENSE." in screen
    assert desk.colours(" REFUSED")[0] == (NONE, NONE)
    desk.type("\x04")
    assert desk.wait_for_end() == 0
    assert b"\a" not in desk.written


@pytest.fixture
def proxy(library_with_items: DeskLibrary) -> Iterator[LosingProxy]:
    made = LosingProxy(library_with_items.process.address)
    yield made
    made.close()


@pytest.mark.slow
def test_a_lost_answer_is_asked_for_again_and_scans_wait(
    library_with_items: DeskLibrary, terminal: Start, proxy: LosingProxy
) -> None:
    barcodes, process = library_with_items.barcodes, library_with_items.process
    desk = terminal("--frontend-target", proxy.address)
    desk.type(f"{library_with_items.cards['Ada']}\r")
    desk.wait_for("0 of 2 loans")
    proxy.lose_answers()
    desk.type(f"{barcodes['Dune']}\r{barcodes['Emma']}\r")
    desk.wait_until(lambda: bool(loans(library_with_items)), "lends")
    desk.wait_for("(2 waiting) >")
    proxy.cut()
    desk.wait_for('LENT: "Dune"', '"Emma", due', unless=["waiting"])
    assert [loan.renewal_count for loan in loans(library_with_items)] == [0, 0], "each was lent once"
    process.send(signal.SIGSTOP)
    desk.type(f"/close\r{barcodes['Dune']}\r{barcodes['Emma']}\r")
    desk.wait_for("(2 waiting) >", unless=["2 of 2"])
    process.send(signal.SIGCONT)
    desk.wait_for('"Emma"', 'RETURNED: "Dune"', unless=["waiting"])
    assert loans(library_with_items) == []


@pytest.mark.slow  # it waits until the desk does not wait any more
def test_without_an_answer_the_desk_shows_how_to_go_on(library_with_items: DeskLibrary, terminal: Start) -> None:
    desk = terminal()
    desk.type(f"{library_with_items.cards['Ada']}\r")
    desk.wait_for("0 of 2 loans")
    library_with_items.process.kill()
    piped = library("desk", frontend=library_with_items.process.address, stdin=b"20001000000012\n")
    expected = f"no answer: Nothing answers at {library_with_items.process.address}"
    assert (piped.returncode, piped.stdout.startswith(expected)) == (2, True)
    desk.type(f"{library_with_items.barcodes['Dune']}\r")
    desk.wait_for("NO ANSWER", "Press Enter to send it again", "1 without answer: Enter sends again")
    library_with_items.process.start()
    desk.type("\r")
    desk.wait_for('"Dune", due', "1 of 2 loans", unless=["without answer"])


def test_scans_in_a_pipe_are_answered_line_by_line(library_with_items: DeskLibrary) -> None:
    barcodes, ada = library_with_items.barcodes, library_with_items.cards["Ada"]

    def run(*scans: str, json_wanted: bool = False) -> Result:
        typed = "".join(f"{scan}\n" for scan in scans).encode(errors="surrogateescape")
        arguments = [
            "desk",
            "--frontend-target",
            library_with_items.process.address,
            *(["--json"] if json_wanted else []),
        ]
        done = CliRunner().invoke(main, arguments, input=typed, prog_name="library")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    done = run(ada, barcodes["Dune"], barcodes["Emma"], "/quit", "never read")
    assert (done.exit_code, plain(done.stdout)) == (
        0,
        f'user: Ada Lovelace · card {ada} · 0 of 2 loans\nlent: "Dune", due DATE\nlent: "Emma", due DATE',
    )
    done = run(ada, barcodes["Kindred"], barcodes["Solaris"] + "\udcff", json_wanted=True)
    user, limit, unknown = map(json.loads, done.stdout.splitlines())
    assert (done.exit_code, user["outcome"], len(user["loans"])) == (1, "USER", 2)
    assert (limit["line"], limit["outcome"]) == (barcodes["Kindred"], "REFUSED")
    assert [refusal["reason"] for refusal in limit["refusals"]] == ["LOAN_LIMIT_REACHED"]
    assert unknown["outcome"] == "REFUSED"
