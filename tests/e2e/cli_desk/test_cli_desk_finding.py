"""The commands at the desk: how books and users are found, for people, scripts and programs."""

from __future__ import annotations

import re

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from tests.support.desk_command import Desk

# --- search ---


def test_search_shows_lines_json_or_a_table(desk: Desk) -> None:
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


def test_search_reports_what_it_left_out_and_that_there_are_more(desk: Desk) -> None:
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
        (
            ["ADA", "lovel", "--limit", "1"],
            [f"{ada.id}\tada@example.org\tAda Lovelace\tactive\t1\t{ada.card_number}\t\t\t"],
        ),
        (["JOSE@example.org"], [f"{jose.id}\tjose@example.org\tJosé\tactive\t1\t{jose.card_number}\t\t\t"]),
        (
            ["--include-closed", "gone"],
            [f"{gone.id}\tgone@example.org\tGone Away\tclosed\t0\t{gone.card_number}\t\t\t"],
        ),
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


def test_a_second_enrolment_shows_the_first(desk: Desk) -> None:
    first = desk.run("enrol", "grace@example.org", "Grace Brewster", "Hopper")
    assert first.exit_code == 0
    found = re.match(
        r"Enrolled Grace Brewster Hopper <grace@example\.org>\. The user's id is (\S+), the card number (\d+)\.\n",
        first.stdout,
    )
    assert found, first.output
    assert "library lend BOOK grace@example.org" in first.stdout
    for again in ("grace@example.org", "GRACE@Example.ORG", " grace@example.org "):
        done = desk.run("enrol", again, " Grace  Brewster", "Hopper ")
        known = f"The user's id is {found[1]}, the card number {found[2]}."
        assert (done.exit_code, done.stdout.splitlines()[0]) == (
            0,
            f"Grace Brewster Hopper <grace@example.org> is enrolled already. {known}",
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


def test_ids_and_their_beginnings_are_accepted(desk: Desk) -> None:
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


def test_an_ambiguous_text_lends_nothing_and_shows_the_candidates(desk: Desk) -> None:
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


def test_a_similar_text_is_offered_and_never_lent(desk: Desk) -> None:
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
    kim = desk.client.members.EnrollUser(EnrollUserRequest(email="kim@example.org.uk", last_name="Kim"), timeout=100)
    assert desk.refused("lend", "dune", "kim@example.org")[::2] == ("USER_NOT_FOUND", {kim.id}), "is somebody else"
    assert "this has 12. Did you mean" in desk.refused("lend", "978080708369", ada.email)[1]
    assert "the check digit does not fit" in desk.refused("lend", "978-0-441-01359-4", ada.email)[1]
    assert "is wrong" not in desk.refused("lend", "9780306406157", ada.email)[1]
    for arguments in (("?!", ada.email), ("dune", "@"), ("", ada.email), ("dune", " ")):
        assert "no letter or number" in desk.refused("lend", *arguments)[1]
    assert desk.refused("lend", "dune", "GONE@example.org")[1] == (
        "The account of Gone Away <gone@example.org> is closed. "
        "To enrol again: library enrol gone@example.org FIRST_NAME LAST_NAME"
    )
    assert desk.refused("lend", "dune", "xyzzy")[1].endswith("To look for the user, run: library users WORDS")
    missing = "01a202a9-0a73-7513-b58f-304ad573e8b6"
    assert desk.refused("lend", missing, ada.email)[:2] == ("BOOK_NOT_FOUND", f"No book has the id {missing}.")
    assert desk.refused("lend", "dune", missing)[:2] == ("USER_NOT_FOUND", f"No user has the id {missing}.")
    assert desk.json("loans", "--closed") == before
