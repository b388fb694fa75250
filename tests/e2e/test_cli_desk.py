"""The commands at the desk against a real frontend: for people, for scripts, for machines, and what is refused."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.__main__ import main
from library_cli.desk import finding_loans
from service_kit.clock import SECOND
from tests.support.clients import FrontendClient
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.library_command import NOBODY
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases, bound_store

LONG_AGO = 1_700_000_000 * SECOND
"""November 2023, so that what was lent then for 14 days is overdue."""

BOOKS = [
    ("Dune", ["Frank Herbert"], "9780441013593", 3),
    ("Dune Messiah", ["Frank Herbert"], "9780593098233", 1),
    ("Children of Dune", ["Frank Herbert"], "9780593098240", 1),
    ("The Dispossessed", ["Ursula K. Le Guin"], "9780060512750", 1),
    ("Foundation", ["Isaac Asimov"], "9780553293357", 1),
    ("Foundation", ["Mercedes Lackey"], "9780756405762", 1),
    ("1984", ["George Orwell"], "9780451524935", 2),
    ("Gödel, Escher, Bach", ["Douglas R. Hofstadter"], "9780465026562", 1),
    ("源氏物語", ["紫式部"], "", 1),
    ("Solaris\x1b[2J\twith\ncontrols", ["Stanisław Lem"], "", 1),
    ("Kindred", ["Octavia E. Butler"], "9780807083697", 1),
    ("Lost at Sea", ["Nobody"], "", 2),
    ("Bound", ["Nobody"], "", 0),
    *((f"Volume {number}", ["A. Serial"], "", 1) for number in range(22)),
]


@dataclass
class Desk:
    """A frontend with books and people, and the command beside it."""

    process: ServerProcess
    client: FrontendClient
    books: list[Book]
    people: dict[str, User]
    old: dict[str, Loan]
    """Loans from long ago."""

    def run(self, *arguments: str, terminal: int = 0, target: str = "", **variables: str) -> Result:
        """Run the command in this process, piped or on a terminal of so many columns; nobody is to see a traceback."""
        shape = (
            {"TTY_COMPATIBLE": "1", "COLUMNS": str(terminal), "TERM": "xterm"} if terminal else {"TTY_COMPATIBLE": "0"}
        )
        environment = {"LIBRARY_FRONTEND_TARGET": target or self.process.address, "TZ": "UTC", **shape, **variables}
        done = CliRunner().invoke(main, list(arguments), env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def table(self, *arguments: str, width: int = 80) -> str:
        """Run the command on a terminal of so many columns; what it shows, without colours."""
        done = self.run(*arguments, terminal=width)
        text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        assert max(map(len, text.splitlines())) <= width
        return text

    def json(self, *arguments: str, status: int = 0) -> Any:
        """Run the command for JSON; standard error stays empty."""
        done = self.run(*arguments, "--json")
        assert (done.exit_code, done.stderr) == (status, ""), done.output
        return json.loads(done.stdout)

    def refused(self, *arguments: str) -> tuple[str, str, set[str]]:
        """Run what is refused, for people and for machines: the reason, the sentence, and the ids of the candidates."""
        done = self.run(*arguments)
        error = self.json(*arguments, status=1)["error"]
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.splitlines()[0] == f"Error: {' '.join(error['message'].split())}"
        assert len(done.stderr.splitlines()) == 1 + len(error["candidates"])
        return error["reason"], error["message"], {each["id"] for each in error["candidates"]}

    def book(self, title: str) -> Book:
        return next(book for book in self.books if book.title.startswith(title))

    def enrol(self, name: str) -> User:
        return self.client.members.EnrollUser(
            EnrollUserRequest(email=f"{name.lower()}@example.org", last_name=name), timeout=30
        )


@pytest.fixture(scope="module")
def desk(module_servers: Servers, databases: FreshDatabases) -> Desk:
    url = databases.migrated("frontend", "sqlite")
    with bound_store("frontend", url) as store:
        branch = LocalFrontend(store, SettableClock(LONG_AGO))
        books = [
            new_book(title, copies=copies, authors=authors, isbn=isbn, language="en-GB" if isbn else "")
            for title, authors, isbn, copies in BOOKS
        ]
        branch.receive(*books)
        people = {
            name: branch.enroll(EnrollUserRequest(email=email, first_name=first, last_name=last))
            for name, email, first, last in [
                ("ada", "ada@example.org", "Ada", "Lovelace"),
                ("adam", "adam@example.org", "Adam", "Smith"),
                ("ada uk", "ada@example.org.uk", "Augusta", "Leigh"),
                ("jose", "jose@example.org", "", "José"),
                ("twin", "twin@example.net", "Ada", "Lovelace-King"),
                ("mary", "mary@example.org", "Mary", "Shelley"),
                ("other mary", "shelley@example.net", "Mary", "Shelley"),
                ("murasaki", "m@example.org", "紫", "式部"),
                ("gone", "gone@example.org", "Gone", "Away"),
            ]
        }
        branch.close(people["gone"].id)
        lost = books[11].id
        old = {name: branch.borrow(lost, people[name].id) for name in ("ada", "jose")}
    process = module_servers.start("frontend", url, ADMIN_TARGET=NOBODY)
    return Desk(process, process.frontend(), books, people, old)


# --- search ---


def test_search_shows_scripts_lines_machines_json_and_people_a_table(desk: Desk) -> None:
    dune = desk.book("Dune")
    done = desk.run("search", "dune", "messiah")
    line = f"Dune Messiah\tFrank Herbert\t\t9780593098233\t1/1\t{desk.books[1].id}\n"
    assert (done.exit_code, done.stdout, done.stderr) == (0, line, "")
    [found] = desk.json("search", "0-441-01359-7")
    assert (found["id"], found["title"], found["authors"]) == (dune.id, "Dune", ["Frank Herbert"])
    assert desk.json("search", "no such book") == []
    assert len(desk.json("search", "dune", "--limit", "2")) == 2
    for width, has in [(80, {"isbn"}), (140, {"isbn", "id"})]:
        text = desk.table("search", "children", width=width)
        assert re.search(r"^ *title +authors +year ", text, re.MULTILINE), text
        assert re.search(r"^ *Children of Dune +Frank Herbert ", text, re.MULTILINE), text
        assert {"isbn"} | ({"id"} if desk.books[2].id in text else set()) == has
    assert desk.books[8].id[:18] in desk.table("search", "源氏"), "without an ISBN, its id is needed"
    assert [book["id"] for book in desk.json("search", "源氏")] == [desk.books[8].id]
    assert "\x1b" not in desk.table("search", "solaris", width=120) + desk.run("search", "solaris").stdout
    assert desk.table("search", "no such book") == "No book was found.\n"


def test_search_says_what_it_left_out_and_that_there_are_more(desk: Desk) -> None:
    done = desk.run("search", "nobody")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "2 books match, but none of them can be borrowed now. To see them, add --all.\n"
    due = desk.old["ada"].due_time.ToDatetime()
    out = f'1 book matches, "Lost at Sea" by Nobody, but every copy is on loan; the next is due back {due:%F %H:%M}.'
    assert desk.table("search", "lost", width=200) == f"{out} To see it, add --all.\n"
    assert desk.run("search", "bound").stderr.startswith("1 book matches, but it cannot be borrowed now.")
    assert desk.run("search", "bound", "--language", "de").stderr.startswith(
        "Not shown, because they cannot be borrowed"
    )
    assert desk.run("search", "lost", "--json").output == "[]\n"
    lent = desk.json("lend", "kindred", "adam")
    assert desk.run("search", "octavia").stderr.startswith(
        '1 book matches, "Kindred" by Octavia E. Butler, but every copy'
    )
    desk.json("return", lent["id"])
    assert desk.run("search", "nobody", "--all").stdout.count("\n") == 2
    few = desk.run("search", "dune", "--limit", "1")
    assert few.stdout.count("\n") == 1
    assert few.stderr.startswith("More rows exist: --limit 2 shows the next ones too")
    assert desk.run("search", "--limit", "33").stderr.count("There are more") == 0
    assert desk.run("search", "--language", "EN", "--category", "none").stdout == ""
    assert desk.run("search", "--language", "en").stdout.count("\n") == 9
    assert desk.run("search", "--language", "e").stdout == ""
    similar = desk.run("search", "kindrad")
    assert similar.stdout.startswith("Kindred\t")
    assert similar.stderr == 'No book has the words "kindrad". These books have similar words.\n'


# --- users ---


def test_users_are_listed_as_lines_as_json_and_as_a_table(desk: Desk) -> None:
    ada, jose, gone = (desk.people[name] for name in ("ada", "jose", "gone"))
    for arguments, expected in [
        (["ADA", "lovel", "--limit", "1"], [f"{ada.id}\tada@example.org\tAda Lovelace\tactive\t1"]),
        (["JOSE@example.org"], [f"{jose.id}\tjose@example.org\tJosé\tactive\t1"]),
        (["--include-closed", "gone"], [f"{gone.id}\tgone@example.org\tGone Away\tclosed\t0"]),
        (["gone"], []),
    ]:
        done = desk.run("users", *arguments)
        assert (done.exit_code, done.stdout.splitlines()) == (0, expected)
    [user] = desk.json("users", "josé")
    assert (user["id"], user["first_name"], user["last_name"], user["state"]) == (
        *(jose.id, "", "José"),
        "USER_STATE_ACTIVE",
    )
    assert desk.json("users", "nobody") == []
    assert "Ada Lovelace" in desk.table("users", "ada")
    assert desk.table("users", "nobody") == "No user was found.\n"


# --- enrol ---


def test_who_enrols_twice_is_shown_the_first_time(desk: Desk) -> None:
    first = desk.run("enrol", "grace@example.org", "Grace Brewster", "Hopper")
    assert first.exit_code == 0
    found = re.match(r"Enrolled Grace Brewster Hopper <grace@example\.org>\. The user's id is (\S+)\.\n", first.stdout)
    assert found, first.output
    assert "library lend BOOK grace@example.org" in first.stdout
    for again in ("grace@example.org", "GRACE@Example.ORG", " grace@example.org "):
        done = desk.run("enrol", again, " Grace  Brewster", "Hopper ")
        assert (done.exit_code, done.stdout.splitlines()[0]) == (
            0,
            f"Grace Brewster Hopper <grace@example.org> is enrolled already. The user's id is {found[1]}.",
        )
        assert desk.json("enrol", again, "Grace Brewster", "Hopper")["id"] == found[1]
        reason, message, ids = desk.refused("enrol", again, "Grace", "Hopper")
        assert (reason, ids) == ("EMAIL_TAKEN", {found[1]})
        assert f"already: Grace Brewster Hopper, id {found[1]}" in message
    assert desk.json("enrol", "cher@example.org", "Cher")["first_name"] == "Cher"
    for arguments, field in [(["nobody", "No", "Body"], "email"), (["x@example.org", " "], "first_name")]:
        reason, message, ids = desk.refused("enrol", *arguments)
        assert (reason, ids) == ("FIELD_INVALID", set())
        assert field in message


# --- lend ---

BOOK_TEXTS: dict[str, str] = {
    "dune": "Dune",
    " DUNE ": "Dune",
    "9780441013593": "Dune",
    "0-441-01359-7": "Dune",
    "ISBN 978-0-441-01359-3 (pbk.)": "Dune",
    "dune mess": "Dune Messiah",
    "messiah": "Dune Messiah",
    "child": "Children of Dune",
    "foundation asimov": "Foundation",
    "1984": "1984",
    "godel": "Gödel",
    "源氏": "源氏物語",
    "guin disp": "The Dispossessed",
}
USER_TEXTS: dict[str, str] = {
    "ada@example.org": "ada",
    "ADA@EXAMPLE.ORG": "ada",
    "ada@example.org.uk": "ada uk",
    "Ada Lovelace": "ada",
    "lovelace, ada": "ada",
    "adam": "adam",
    "adam@": "adam",
    "augusta": "ada uk",
    "jos": "jose",
    "jose@example.or": "jose",
    "ada@example.org.u": "ada uk",
    "JOSÉ": "jose",
    "shelley@": "other mary",
    "smith ad": "adam",
    "紫": "murasaki",
}


def test_a_book_and_a_user_are_found_by_what_people_type(desk: Desk) -> None:
    for text, title in BOOK_TEXTS.items():
        assert desk.json("loans", "--book", text) == [], title
        reader = desk.people["mary"].email
        lent = desk.json("lend", text, reader)
        assert lent["book_title"].startswith(title), text
        assert desk.json("return", text, reader)["id"] == lent["id"], text
    for text, name in USER_TEXTS.items():
        lent = desk.json("lend", "1984", text, "--days", "3")
        assert (lent["user_id"], lent["user_email"]) == (desk.people[name].id, desk.people[name].email), text
        assert desk.json("return", "1984")["id"] == lent["id"]


def test_ids_and_their_beginnings_do_as_well(desk: Desk) -> None:
    book, user = desk.book("Kindred"), desk.enrol("Idris")
    known = [each["id"] for each in [*desk.json("search", "--all"), *desk.json("users")]]
    others = [each for each in known if each not in (book.id, user.id)]

    def beginning(own: str) -> str:
        return next(own[:end] for end in range(4, 37) if not any(other.startswith(own[:end]) for other in others))

    for book_text, user_text in [
        (book.id, user.id),
        (book.id.upper(), user.id.upper()),
        (beginning(book.id), beginning(user.id)),
        (beginning(book.id).replace("-", ""), user.id[:-1]),
    ]:
        lent = desk.json("lend", book_text, user_text)
        assert (lent["book_id"], lent["user_id"]) == (book.id, user.id)
        back = {0: lent["id"], 1: lent["id"].replace("-", "")}.get(len(book_text) % 2, lent["id"])
        assert desk.json("return", back)["return_time"]
    lent = desk.json("lend", book.id, user.id)
    assert desk.json("return", book.id, user.id)["id"] == lent["id"]
    reason, _, ids = desk.refused("lend", book.id[:4], user.email)
    assert reason == "AMBIGUOUS"
    assert len(ids) == 10, "a table of at most ten"


def test_what_is_not_clear_lends_nothing_and_shows_the_candidates(desk: Desk) -> None:
    def ids(*titles: str) -> set[str]:
        return {book.id for book in desk.books if book.title in titles}

    before = desk.json("loans", "--closed")
    dunes = ids("Dune", "Dune Messiah", "Children of Dune")
    ada = desk.people["ada"].email
    for text, expected in [("herbert", dunes), ("dun", dunes), ("Foundation", ids("Foundation")), ("dune h", dunes)]:
        assert desk.refused("lend", text, ada)[::2] == ("AMBIGUOUS", expected), text
    people = {name: user.id for name, user in desk.people.items()}
    for text, names in [
        ("ada", {"ada", "adam", "ada uk", "twin"}),
        ("ada love", {"ada", "twin"}),
        ("Mary Shelley", {"mary", "other mary"}),
        ("ada@", {"ada", "ada uk"}),
        ("ada@example.o", {"ada", "ada uk"}),
    ]:
        reason, message, found = desk.refused("lend", "dune", text)
        assert (reason, found) == ("AMBIGUOUS", {people[name] for name in names}), text
        assert "e-mail address" in message
    reason, message, found = desk.refused("lend", "serial", "adam")
    assert (reason, len(found), "Here are 10 of them" in message) == ("AMBIGUOUS", 10, True)
    assert desk.refused("return", "serial")[0] == "AMBIGUOUS"
    assert desk.json("loans", "--closed") == before


def test_what_only_looks_alike_is_offered_and_never_lent(desk: Desk) -> None:
    before = desk.json("loans", "--closed")
    ada, kindred = desk.people["ada"], desk.book("Kindred")
    for text, offers in [
        ("kindrad", {kindred.id}),
        ("xyzzy", set()),
        ("9780441013594", set()),
        ("9780306406157", set()),
        ("978080708369", {kindred.id}),
        ("97808070", {kindred.id}),
        ("97808070836977", set()),
    ]:
        reason, message, ids = desk.refused("lend", text, ada.email)
        assert (reason, ids) == ("BOOK_NOT_FOUND", offers), text
        assert text in message
        assert (" has 12" in desk.refused("return", text)[1]) == (len(text) == 12), "not by a part of a barcode"
    for text, names in [
        ("lace", {"ada", "twin"}),
        ("ada@example.orgg", {"ada", "ada uk"}),
        ("xyzzy", set()),
        ("gone@example.org", set()),
    ]:
        reason, _, ids = desk.refused("lend", "dune", text)
        assert reason == "USER_NOT_FOUND", text
        assert ids >= {desk.people[name].id for name in names}, text
    kim = desk.client.members.EnrollUser(EnrollUserRequest(email="kim@example.org.uk", last_name="Kim"), timeout=30)
    assert desk.refused("lend", "dune", "kim@example.org")[::2] == ("USER_NOT_FOUND", {kim.id}), "is somebody else"
    assert "this has 12. Did you mean" in desk.refused("lend", "978080708369", ada.email)[1]
    assert "the check digit does not fit" in desk.refused("lend", "978-0-441-01359-4", ada.email)[1]
    assert "is wrong" not in desk.refused("lend", "9780306406157", ada.email)[1]
    for arguments in (("?!", ada.email), ("dune", "@"), ("", ada.email), ("dune", " ")):
        assert "no letter or number" in desk.refused("lend", *arguments)[1]
    missing = "01a202a9-0a73-7513-b58f-304ad573e8b6"
    assert desk.refused("lend", missing, ada.email)[:2] == ("BOOK_NOT_FOUND", f"No book has the id {missing}.")
    assert desk.refused("lend", "dune", missing)[:2] == ("USER_NOT_FOUND", f"No user has the id {missing}.")
    assert desk.json("loans", "--closed") == before


def test_the_refusals_of_the_service_are_sentences_with_what_to_do(desk: Desk) -> None:
    reason, message, ids = desk.refused("lend", "lost at sea", "adam")
    assert (reason, ids) == ("NO_COPY_AVAILABLE", {desk.book("Lost").id})
    due = desk.old["ada"].due_time.ToDatetime()
    assert message.startswith(
        f'Every copy of "Lost at Sea" by Nobody is on loan; the next is due back {due:%Y-%m-%d %H:%M}.'
    )
    assert desk.json(*message.partition("library ")[2].split()), "what it says to type works"
    reason, message, _ = desk.refused("lend", "dune", desk.people["gone"].id)
    assert (reason, message.split(". ")[0]) == ("USER_CLOSED", "The account of Gone Away <gone@example.org> is closed")
    gone = ["lost at sea", desk.people["gone"].id]
    several = desk.json("lend", *gone, status=1)["error"]
    assert several["message"] == several["refusals"][0]["message"]
    assert [each["reason"] for each in several["refusals"]] == ["NO_COPY_AVAILABLE", "USER_CLOSED"]
    lines = desk.run("lend", *gone).stderr.splitlines()
    assert [line[: len("Error: The account of")] for line in lines[:2]] == [
        "Error: Every copy of ",
        "Error: The account of",
    ]
    assert len(lines) == 3, "and the book"
    sentence = desk.run("lend", "kindred", "adam", "--days", "7", TZ="Asia/Tokyo").stdout
    found = re.match(
        r'Lent "Kindred" by Octavia E\. Butler to Adam Smith <adam@example\.org>\. It is due back (.{16})\.\n'
        r"The loan's id is (\S+)\. When the book comes back, run: library return 9780807083697\n",
        sentence,
    )
    assert found, sentence
    assert desk.json("return", found[2])["user_email"] == "adam@example.org"
    for days in ("0", "366", "x"):
        assert desk.run("lend", "kindred", "adam", "--days", days).exit_code == 2


# --- return, loans ---


def test_a_book_comes_back_by_the_loan_the_book_or_the_book_and_the_user(desk: Desk) -> None:
    zoe, yann = desk.enrol("Zoe"), desk.enrol("Yann")
    loans = [desk.json("lend", "dune", user.email) for user in (zoe, yann)]
    reason, message, ids = desk.refused("return", "dune")
    assert (reason, ids) == ("AMBIGUOUS", {loan["id"] for loan in loans})
    assert "Name the user, too" in message
    assert loans[0]["id"][:18] in desk.table("return", "dune"), "it is to be named by the id"
    assert desk.json("return", "herb", "zoe")["id"] == loans[0]["id"]
    reason, message, ids = desk.refused("return", "dune", "zoe")
    assert (reason, ids) == ("LOAN_NOT_FOUND", set())
    done = desk.run("return", "DUNE")
    assert done.stdout == 'Returned "Dune", which Yann <yann@example.org> had.\n'
    reason, message, ids = desk.refused("return", loans[1]["id"])
    assert (reason, ids) == ("LOAN_RETURNED", {loans[1]["id"]})
    assert re.match(
        r'"Dune", which Yann <yann@example\.org> had, was returned already on \d{4}-\d\d-\d\d \d\d:\d\d\.$', message
    )
    assert desk.refused("return", loans[1]["id"], "zoe")[0] == "LOAN_NOT_FOUND"
    assert desk.refused("return", "dune")[1] == 'No copy of "Dune" is on loan.'
    assert desk.refused("return", "xyzzy")[0] == "LOAN_NOT_FOUND"
    loans = [desk.json("lend", title, zoe.email) for title in ("dune", "dune messiah")]
    assert desk.refused("return", "kindred", "zoe")[2] == {loan["id"] for loan in loans}, "shows what is out"
    for loan in loans:
        assert desk.json("return", loan["id"], "zoe")["id"] == loan["id"]


def test_of_several_copies_that_one_user_has_the_one_due_first_is_taken(desk: Desk) -> None:
    xaver, yvo = desk.enrol("Xaver"), desk.enrol("Yvo")
    later = desk.json("lend", "dune", xaver.email, "--days", "9")
    second = desk.run("lend", "dune", xaver.email, "--days", "5")
    assert second.stderr.startswith("Note: Xaver <xaver@example.org> already had a copy of this book, due back 20")
    sooner = next(loan["id"] for loan in desk.json("loans", xaver.email) if loan["id"] != later["id"])
    third = desk.json("lend", "dune", yvo.email)
    for command in ("return", "renew"):
        assert desk.refused(command, "dune")[::2] == ("AMBIGUOUS", {later["id"], sooner, third["id"]})
    assert desk.json("return", "dune", yvo.email)["id"] == third["id"]
    renewed = desk.run("renew", "dune", "xaver", "--days", "1").stdout
    assert "Of this user's 2 copies it was the one due first; the next is due back 20" in renewed
    assert desk.json("loans", "xaver")[1]["renewal_count"] == 1
    returned = desk.run("return", "dune").stdout
    assert returned.splitlines()[1].startswith("Of this user's 2 copies it was the one due first"), returned
    assert [loan["id"] for loan in desk.json("loans", "xaver")] == [later["id"]]
    assert desk.run("return", "dune", "xaver").stdout.count("\n") == 1


def test_a_loan_is_renewed_and_a_refusal_to_renew_is_a_sentence(desk: Desk) -> None:
    wanda = desk.enrol("Wanda")
    assert desk.refused("renew", "kindred")[:2] == ("LOAN_NOT_FOUND", 'No copy of "Kindred" is on loan.')
    lent = desk.json("lend", "kindred", wanda.email, "--days", "3")
    for named in (["kindred"], ["9780807083697", "wanda"], [lent["id"]]):
        done = desk.run("renew", *named, "--days", "10")
        assert re.fullmatch(
            r'Renewed "Kindred" for Wanda <wanda@example\.org>\. It is due back \d{4}-\d\d-\d\d \d\d:\d\d\.\n',
            done.stdout,
        ), done.output
    [loan] = desk.json("loans", wanda.email)
    assert (loan["days"], loan["renewal_count"]) == (33, 3)
    reason, message, ids = desk.refused("renew", "kindred")
    assert (reason, ids) == ("RENEWAL_LIMIT_REACHED", {lent["id"]})
    assert "a loan can be renewed 3 times, and can last 365 days in total. It is due back 20" in message
    desk.json("return", "kindred")
    reason, message, _ = desk.refused("renew", lent["id"])
    assert (reason, "was returned already on" in message) == ("LOAN_RETURNED", True)
    overdue = desk.old["ada"]
    reason, message, ids = desk.refused("renew", "lost", "ada@example.org")
    assert (reason, ids) == ("LOAN_OVERDUE", {overdue.id})
    assert message.startswith('"Lost at Sea" was due back 2023-11-28')
    assert message.endswith(f"run: library return {overdue.id}")
    assert desk.json("renew", desk.json("lend", "kindred", wanda.email)["id"])["user_email"] == wanda.email
    desk.json("return", "kindred")
    assert desk.run("renew", "kindred", "--days", "366").exit_code == 2


def test_quotes_and_the_order_of_arguments_are_explained(desk: Desk) -> None:
    before = desk.json("loans", "--closed")
    for arguments in (
        *(["lend", "dune", "ada", "lovelace"], ["return", "the", "dispossessed", "ada"], ["loans", "ada", "love"]),
        *(["renew", "the", "dispossessed", "ada"], ["enrol", "m@example.org", "Mary", "Ann", "Evans"]),
    ):
        done = desk.run(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert re.search(rf'unexpected extra argument.* in quotes: library {arguments[0]} .*"', done.stderr), (
            done.stderr
        )
    for command in ("lend", "return", "renew"):
        for user_text in ("ada@example.org", "nobody@example.org", "Ada Lovelace"):
            _, message, ids = desk.refused(command, user_text, "dune messiah")
            typed = f"library {command} 'dune messiah' {shlex.quote(user_text)}"
            assert (message, ids) == (f"The book comes first, then the user. Run: {typed}", set())
    for arguments, typed in [
        (["Grace", "Hopper", "grace.h@example.org"], "grace.h@example.org Grace Hopper"),
        (["Grace Brewster", "grace.h@example.org"], "grace.h@example.org 'Grace Brewster'"),
    ]:
        reason, message, _ = desk.refused("enrol", *arguments)
        assert (reason, message.partition("run: ")[2]) == ("FIELD_INVALID", f"library enrol {typed}")
    assert desk.json("loans", "--closed") == before


def test_a_beginning_of_an_id_is_compared_with_all_loans_that_are_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [desk.enrol(name) for name in ("Ulf", "Vera", "Wim")]
    loans = [desk.json("lend", "dune", user.email)["id"] for user in users]
    columns = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*loans, strict=True))
    beginning = "".join(column[0] for column in columns)
    desk.json("return", loans[0])
    monkeypatch.setattr(finding_loans, "LOANS_OF_A_BOOK", 2)
    assert desk.refused("return", beginning)[0] == "AMBIGUOUS", "one of the first two is out, but also the third"
    assert [desk.json("return", beginning, name)["id"] for name in ("wim", "vera")] == [loans[2], loans[1]]


def test_what_is_late_costs_a_fine_and_is_listed(desk: Desk) -> None:
    ada, jose = desk.old["ada"], desk.old["jose"]
    overdue = desk.run("loans", "--overdue").stdout.splitlines()
    assert [line.split("\t")[:5] for line in overdue] == [
        [loan.id, loan.due_time.ToJsonString(), "overdue", "Lost at Sea", email]
        for loan, email in ((ada, "ada@example.org"), (jose, "jose@example.org"))
    ]
    for width in (80, 150):
        text = desk.table("loans", "ada@example.org", width=width)
        assert re.search(r"[\d,]+ days", text), text
    assert [loan["user_email"] for loan in desk.json("loans", "--book", "lost", "jose")] == ["jose@example.org"]
    done = desk.run("return", "lost", "jose")
    assert re.search(r"It was due 2023-11-28 \d\d:\d\d, so it is late\. The fine is \d+\.\d\d EUR\.", done.stdout)
    assert desk.json("loans", "jose") == []
    closed = desk.json("loans", "jose", "--closed")[0]
    assert closed["state"] == "LOAN_STATE_RETURNED"
    assert "EUR" in desk.run("loans", "jose", "--closed").stdout
    assert desk.table("loans", "jose") == "No loan was found.\n"
    assert desk.run("loans", "--overdue", "--closed").exit_code == 2


# --- when it cannot be done ---


def test_a_library_that_does_not_answer_is_exit_status_2(desk: Desk) -> None:
    for arguments in (
        *(["search", "dune"], ["users"], ["enrol", "a@example.org", "A"], ["lend", "dune", "ada"]),
        *(["return", "dune"], ["renew", "dune"], ["loans", "ada"]),
    ):
        done = desk.run(*arguments, target=NOBODY)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
        assert done.stderr.startswith(f"Error: Nothing answers at {NOBODY}; is the service running there?")
        told = desk.run(*arguments, "--json", target=NOBODY)
        assert (told.exit_code, told.stderr) == (2, "")
        assert json.loads(told.stdout)["error"]["reason"] == "NO_ANSWER"
    for arguments in (["users", "?!"], ["search", "?!"]):
        assert desk.refused(*arguments)[0] == "FIELD_INVALID"


def test_texts_in_other_encodings_are_no_tracebacks(desk: Desk) -> None:
    not_utf_8 = b"a\xff".decode(errors="surrogateescape")
    for arguments in (
        *(["search", not_utf_8], ["users", not_utf_8], ["loans", not_utf_8], ["return", not_utf_8]),
        *(["enrol", "a@example.org", not_utf_8], ["lend", not_utf_8, "ada"], ["lend", "dune", not_utf_8]),
    ):
        assert "not UTF-8" in desk.run(*arguments).stderr, arguments
    western = CliRunner(charset="latin-1")
    done = western.invoke(main, ["search", "源氏"], env={"LIBRARY_FRONTEND_TARGET": desk.process.address})
    assert (done.exit_code, done.stdout.startswith(r"\u6e90\u6c0f\u7269\u8a9e")) == (0, True), done.output
