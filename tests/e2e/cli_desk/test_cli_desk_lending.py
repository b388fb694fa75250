"""The commands at the desk: what is lent, returned, renewed and refused, for people, scripts and programs."""

from __future__ import annotations

import itertools
import json
import re
import shlex

import pytest
from click.testing import CliRunner

from library_cli.__main__ import main
from library_cli.desk import finding_loans
from tests.support.desk_command import Desk
from tests.support.library_command import NOBODY


def test_the_refusals_of_the_service_are_sentences_with_what_to_do(desk: Desk) -> None:
    reason, message, ids = desk.refused("lend", "lost at sea", "adam")
    assert (reason, ids) == ("NO_COPY_AVAILABLE", {desk.book("Lost").id})
    due = desk.old["ada"].due_time.ToDatetime()
    assert message.startswith(
        f'Every copy of "Lost at Sea" by Nobody is on loan; the next is due back {due:%Y-%m-%d %H:%M}.'
    )
    assert desk.json(*message.partition("library ")[2].split()), "the command that it prints works"
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


def test_of_several_copies_of_one_user_the_one_due_first_is_taken(desk: Desk) -> None:
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
    assert '"Kindred" cannot be renewed again: it was renewed 3 times, which is the limit. It is due back 20' in message
    desk.json("return", "kindred")
    reason, message, _ = desk.refused("renew", lent["id"])
    assert (reason, "was returned already on" in message) == ("LOAN_RETURNED", True)
    overdue = desk.old["ada"]
    reason, message, ids = desk.refused("renew", "lost", "ada@example.org")
    assert (reason, ids) == ("LOAN_OVERDUE", {overdue.id})
    assert message.startswith('"Lost at Sea" was due back 2023-11-28')
    assert message.endswith(f"run: library return {overdue.id}")
    assert desk.json("renew", desk.json("lend", "kindred", wanda.email)["id"])["user_email"] == wanda.email
    reason, message, _ = desk.refused("renew", "kindred", "--days", "352")
    assert reason == "RENEWAL_LIMIT_REACHED"
    assert "a loan can last 365 days in total, and this one has 28 already. It is due back 20" in message
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


def test_a_late_loan_costs_a_fine_and_is_listed(desk: Desk) -> None:
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
        as_json = desk.run(*arguments, "--json", target=NOBODY)
        assert (as_json.exit_code, as_json.stderr) == (2, "")
        assert json.loads(as_json.stdout)["error"]["reason"] == "NO_ANSWER"
    for arguments in (["users", "?!"], ["search", "?!"]):
        assert desk.refused(*arguments)[0] == "FIELD_INVALID"


def test_texts_in_other_encodings_are_errors_without_traceback(desk: Desk) -> None:
    not_utf_8 = b"a\xff".decode(errors="surrogateescape")
    for arguments in (
        *(["search", not_utf_8], ["users", not_utf_8], ["loans", not_utf_8], ["return", not_utf_8]),
        *(["enrol", "a@example.org", not_utf_8], ["lend", not_utf_8, "ada"], ["lend", "dune", not_utf_8]),
    ):
        assert "not UTF-8" in desk.run(*arguments).stderr, arguments
    western = CliRunner(charset="latin-1")
    done = western.invoke(main, ["search", "源氏"], env={"LIBRARY_FRONTEND_TARGET": desk.process.address})
    assert (done.exit_code, done.stdout.startswith(r"\u6e90\u6c0f\u7269\u8a9e")) == (0, True), done.output
