"""Cards, blocks, personal data, and users from a file, by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.v1.user_pb2 import User
from tests.support.desk_command import Desk


def user_with(desk: Desk, card: str) -> User:
    [user] = desk.client.members.ListUsers(ListUsersRequest(card_number=card, include_closed=True)).users
    return user


def test_a_user_without_an_address_has_a_card_and_borrows_by_it(desk: Desk) -> None:
    options = ["--card", "k-1", "--category", "Student", "--group", "4b", "--expires", "2027-01-31"]
    done = desk.run("enrol", "--no-email", "Kim", "Possible", *options)
    user = user_with(desk, "K-1")
    assert done.stdout.splitlines() == [
        f"Enrolled Kim Possible (card K-1). The user's id is {user.id}, the card number K-1.",
        "To lend a book, run: library lend BOOK K-1",
    ]
    assert user.expire_time.ToJsonString() == "2027-02-01T00:00:00Z"
    listed = f"{user.id}\t\tKim Possible\tactive\t0\tK-1\tStudent\t4b\t2027-02-01 00:00\n"
    assert desk.run("users", "--group", "4B").stdout == desk.run("users", "k-1").stdout == listed
    assert desk.run("lend", "kindred", "k-1").exit_code == 0
    assert desk.run("return", "kindred", "k-1").exit_code == 0
    reason, message, _ = desk.refused("enrol", "--no-email", "Kim", "--card", "K-1")
    assert (reason, message) == ("CARD_NUMBER_TAKEN", "A user has this card number.")
    assert "at most two" in desk.run("enrol", "--no-email", "A", "B", "C").stderr
    assert "--no-email" in desk.run("enrol", "a@example.org").stderr


def test_a_user_is_blocked_and_unblocked(desk: Desk) -> None:
    desk.run("enrol", "--no-email", "Lee", "--card", "L-1")
    done = desk.run("block", "l-1", "Damaged book", "--until", "2099-12-30")
    assert done.stdout.splitlines() == [
        "Lee (card L-1) is blocked until 2099-12-31 00:00: Damaged book.",
        "To lift the block, run: library unblock L-1",
    ]
    assert len(desk.json("block", "L-1", "Bill not paid")["blocks"]) == 2
    assert desk.run("unblock", "L-1").stdout == "Lifted 2 blocks of Lee (card L-1).\n"
    assert desk.refused("unblock", "L-1")[0] == "BLOCK_NOT_FOUND"


def test_personal_data_are_exported_anonymised_and_erased(desk: Desk) -> None:
    desk.run("enrol", "mona@example.org", "Mona", "Lisa", "--card", "M-1")
    desk.run("lend", "1984", "M-1")
    assert desk.refused("erase-user", "M-1", "--yes")[0] == "USER_HAS_LOANS"
    desk.run("return", "1984", "M-1")
    exported = json.loads(desk.run("export-user", "M-1").stdout)
    assert exported["user"]["email"] == "mona@example.org"
    assert [loan["book_title"] for loan in exported["loans"]] == ["1984"]
    assert exported["history"]
    assert desk.run("anonymise", "--before", "2000-01-01", "--dry-run").stdout == "0 loans would be anonymised.\n"
    assert desk.run("anonymise", "--before", "2000-01-01").stdout == "Anonymised 0 loans.\n"
    assert desk.run("erase-user", "M-1").exit_code == 1, "a question without an answer"
    user = user_with(desk, "M-1")
    assert desk.run("erase-user", "M-1", "--yes").stdout.startswith(f"Erased the personal data of the user {user.id}.")
    assert json.loads(desk.run("export-user", user.id).stdout)["user"]["state"] == "USER_STATE_CLOSED"
    assert desk.client.members.ListUsers(ListUsersRequest(query="mona", include_closed=True)).users == []


ROWS = [
    ["Surname", "Vorname", "Barcode", "Class", "Valid until", "Shoe size"],
    ["Nemo", "Nina", "n-1", "5a", "2027-07-31", "38"],
    ["Nemo", "Noah", "n-2", "5a", "31.07.2027", "39"],
    ["", "", "n-3", "5a", "", ""],
    ["Nemo", "Nils", "n 4", "5a", "soon", ""],
    ["Nemo", "Nora", "", "5a", "", ""],
]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_users_come_from_a_file_once(desk: Desk, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"class.{form}"
    rows = [[cell.replace("n-", f"{form}-").replace("5a", f"5{form}") for cell in row] for row in ROWS]
    if form == "csv":
        file.write_text("\n".join(";".join(row) for row in rows))
    else:
        book = Workbook()
        sheet = book.create_sheet("Users", 0)
        for row in rows:
            sheet.append(row)
        book.save(file)
    unknown = desk.run("import-users", str(file))
    assert (unknown.exit_code, '--ignore "Shoe size"' in unknown.stderr) == (2, True)
    command = ["import-users", str(file), "--ignore", "shoe size"]
    group = ListUsersRequest(group=f"5{form}")

    dry = desk.run(*command, "--dry-run")
    assert (dry.exit_code, dry.stdout) == (1, "3 enrolled, 2 refused (dry run: nothing was changed)\n")
    assert not desk.client.members.ListUsers(group).users

    for _ in range(2):
        done = desk.run(*command)
        assert (done.exit_code, done.stdout) == (1, "3 enrolled, 2 refused\n")
        assert "line 4: refused: last_name: must not be empty when first_name is empty" in done.stderr
        assert 'line 5: refused: expires: "soon" is not a date such as 2027-01-31; card_number: must not' in done.stderr
    users = desk.client.members.ListUsers(group).users
    assert [user.first_name for user in users] == ["Nina", "Noah", "Nora"]
    assert [user.expire_time.ToJsonString() for user in users[:2]] == ["2027-08-01T00:00:00Z"] * 2

    renamed = tmp_path / "renamed.csv"
    renamed.write_text(f"last_name,card_number\nRenamed,{form}-1\n")
    there = desk.run("import-users", str(renamed))
    assert (there.exit_code, there.stdout) == (0, "1 already there\n")
    assert f"line 2: already there: Nina Nemo, card {form.upper()}-1" in there.stderr
    assert desk.run("import-users", str(renamed), "--update", "--dry-run").stdout.startswith("1 updated")
    assert desk.run("import-users", str(renamed), "--update").stdout == "1 updated\n"
    assert desk.run("import-users", str(renamed), "--update").stdout == "1 already there\n"
    assert user_with(desk, f"{form}-1").last_name == "Renamed"
