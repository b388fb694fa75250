"""`library report` and `library history` against real servers: a small library with loans of several months."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result

from frontend_server.store.models import Loan as LoanRow
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.inventory_service_pb2 import ListItemsRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.frontend.v1.circulation_service_pb2 import CheckInRequest, CheckOutRequest, LookupItemRequest
from library.frontend.v1.circulation_service_pb2_grpc import CirculationServiceStub
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.item_pb2 import Item
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.__main__ import main
from service_kit.clock import DAY, micros
from service_kit.revisions import take_revisions
from tests.support.documents import on_the_screen
from tests.support.library_command import NOBODY
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases, bound_store
from tests.sync.agreement import eventually

Run = Callable[..., Result]


@dataclass
class Town:
    """A library, its command, and what is in it."""

    run: Run
    rest: Any
    items: dict[str, Item]
    users: dict[str, User]
    loans: dict[str, Loan]
    database_url: str

    def rows(self, *line: str, **options: Any) -> list[list[str]]:
        """Run a command, and return its lines as lists of values."""
        return [row.split("\t") for row in self.run(*line, **options).stdout.splitlines()]


def move(url: str, loan: Loan, days: int) -> None:
    """Move a loan into the past, as if it had been made some days ago; the frontend pushes it again."""
    with bound_store("frontend", url) as store, store.writing():
        LoanRow.update(
            borrow_time=micros(loan.borrow_time) - days * DAY,
            due_time=micros(loan.due_time) - days * DAY,
            revision=take_revisions(1),
        ).where(LoanRow.id == loan.id).execute()


def desk_has(circulation: CirculationServiceStub, barcode: str) -> bool:
    try:
        return bool(circulation.LookupItem(LookupItemRequest(barcode=barcode), timeout=100).item.id)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False


@pytest.fixture(scope="module")
def town(module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases) -> Town:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"), TZ="UTC")
    url = databases.migrated("frontend", "sqlite")
    frontend = module_servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1", TZ="UTC")
    rest = module_rest_servers.start([frontend.address, admin.address])
    desk, office = frontend.frontend(), admin.admin()
    circulation, inventory = CirculationServiceStub(frontend.channel()), InventoryServiceStub(admin.channel())

    def run(*line: str, status: int = 0, terminal: int = 0, frontend_target: str = "", **variables: str) -> Result:
        shape = {"TTY_COMPATIBLE": "1", "COLUMNS": str(terminal), "TERM": "xterm"} if terminal else {}
        environment = {
            "LIBRARY_ADMIN_TARGET": admin.address,
            "LIBRARY_FRONTEND_TARGET": frontend_target or frontend.address,
            "TZ": "UTC",
            "TTY_COMPATIBLE": "0",
            **shape,
            **variables,
        }
        done = CliRunner().invoke(main, line, env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == status, done.output
        return done

    items = {}
    for title, category in (("Emma", "Novels"), ("=Atlas", "Maps"), ("Unread", "")):
        book = office.catalog.AddBook(AddBookRequest(title=title, category=category, copies=2), timeout=100)
        [items[title], _] = inventory.ListItems(ListItemsRequest(book_id=book.id), timeout=100).items
    users = {
        name: desk.members.EnrollUser(
            EnrollUserRequest(first_name=name, email=f"{name}@example.org", group=group, user_category=category),
            timeout=100,
        )
        for name, group, category in (("Ada", "4b", "Student"), ("Bea", "", ""))
    }

    loans: dict[str, Loan] = {}

    def lend(title: str, name: str, days_ago: int) -> Loan:
        request = CheckOutRequest(barcode=items[title].barcode, card_number=users[name].card_number, staff="Sam")
        loan = circulation.CheckOut(request, timeout=100).loan
        move(url, loan, days_ago)
        return loan

    def has_items() -> bool:
        return all(desk_has(circulation, item.barcode) for item in items.values())

    eventually(has_items, "the frontend has the items")
    loans["returned"] = lend("Emma", "Bea", 0)
    circulation.CheckIn(CheckInRequest(barcode=items["Emma"].barcode, staff="Tim"), timeout=100)
    loans["late"] = lend("Emma", "Ada", 24)
    loans["running"] = lend("=Atlas", "Bea", 10)
    found = Town(run, rest, items, users, loans, url)
    eventually(lambda: len(found.rows("report", "overdue")) == 1, "the loans are at the admin")
    eventually(lambda: len(found.rows("history", "--loan", loans["running"].id)) == 1, "the history, too")
    return found


def test_a_librarian_sees_who_is_overdue_with_the_fine(town: Town) -> None:
    [[due, late, name, card, group, title, barcode, fine, branch, loan_id, user_id]] = town.rows("report", "overdue")
    assert late in {"10", "11"}, "the second if midnight has passed"
    assert (name, card, group, title) == ("Ada", town.users["Ada"].card_number, "4b", "Emma")
    assert (barcode, branch) == (town.items["Emma"].barcode, "main")
    assert (loan_id, user_id) == (town.loans["late"].id, town.users["Ada"].id)
    assert fine == f"{int(late) * 20 / 100:.2f} EUR"
    assert due == town.run("report", "overdue", "--csv", "-").stdout.splitlines()[1].split(",")[0]
    [as_json] = json.loads(town.run("report", "overdue", "--json").stdout)
    assert as_json["loan"]["fine_so_far"]["currency_code"] == "EUR"
    table = on_the_screen(town.run("report", "overdue", terminal=120).stdout)
    for text in (f"{late} days", "Ada", town.users["Ada"].card_number, "4b", "Emma", fine, due):
        assert text in table, table


def test_the_overdue_list_works_without_the_frontend(town: Town) -> None:
    done = town.run("report", "overdue", frontend_target=NOBODY)
    assert done.stderr.startswith(f"The list has no fines: Nothing answers at {NOBODY}")
    assert done.stdout.split("\t")[7] == ""


def test_lists_of_open_loans(town: Town) -> None:
    def titles(*line: str) -> list[str]:
        return [row[5] for row in town.rows("report", *line)]

    assert titles("on-loan") == ["Emma", "=Atlas"]
    assert titles("on-loan", "--limit", "1") == ["Emma"]
    assert titles("due-soon") == ["=Atlas"], "due in 4 days"
    assert titles("due-soon", "--days", "1") == []
    assert titles("by-group", "4B") == ["Emma"]
    assert titles("by-group", "4c") == []
    assert titles("by-branch", "main") == ["Emma", "=Atlas"]
    assert "No branch has the code nowhere" in town.run("report", "by-branch", "nowhere", status=1).stderr
    assert "No branch has the code nowhere" in town.run("report", "on-loan", "--branch", "nowhere", status=1).stderr
    assert "No loan is due in these days." in town.run("report", "due-soon", "--days", "0", terminal=80).stdout


def test_a_csv_file_computes_nothing_and_is_private(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "loans.csv"
    done = town.run("report", "on-loan", "--csv", str(file))
    assert (done.stdout, done.stderr) == ("", "Wrote 2 rows\n")
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    assert [(row["title"], row["email"]) for row in rows] == [
        ("Emma", "Ada@example.org"),
        ("'=Atlas", "Bea@example.org"),
    ]
    assert file.stat().st_mode & 0o077 == 0
    town.run("report", "by-group", "4c", "--csv", str(file))
    assert len(file.read_text("utf-8").splitlines()) == 1, "the headings"
    assert "cannot be written" in town.run("report", "on-loan", "--csv", str(tmp_path / "no" / "f"), status=2).stderr


def test_books_by_how_often_they_are_lent(town: Town, tmp_path: Path) -> None:
    assert [row[:2] for row in town.rows("report", "most-lent")] == [["2", "Emma"], ["1", "=Atlas"]]
    assert town.rows("report", "most-lent", "--until", "2001-01-01") == []
    assert [row[0] for row in town.rows("report", "never-lent")] == ["Unread"]
    screen = on_the_screen(town.run("report", "most-lent", terminal=100).stdout)
    assert [line.count("█") for line in screen.splitlines() if "█" in line] == [60, 30], screen
    plain = on_the_screen(town.run("report", "most-lent", terminal=100, NO_COLOR="1").stdout)
    assert [line.count("#") for line in plain.splitlines() if "#" in line] == [60, 30], plain
    for name, beginning in (("most.svg", b"<?xml"), ("most.png", b"\x89PNG\r\n")):
        done = town.run("report", "most-lent", "--plot", str(tmp_path / name))
        assert done.stderr == f"Wrote 2 bars to {tmp_path / name}\n"
        assert (tmp_path / name).read_bytes().startswith(beginning)
    assert "=Atlas" in (tmp_path / "most.svg").read_text("utf-8")


def test_counts(town: Town) -> None:
    def counts(by: str, *more: str) -> list[list[str]]:
        return town.rows("report", "counts", "--by", by, *more)

    assert counts("category") == [["Maps", "1", "1"], ["Novels", "2", "1"]]
    assert counts("branch") == [["main", "3", "2"]]
    assert counts("user-category") == [["", "2", "1"], ["Student", "1", "1"]]
    assert counts("user-group") == [["", "2", "1"], ["4b", "1", "1"]]
    assert counts("item-type") == [["", "3", "2"]]
    assert sum(int(count) for _, count, _ in counts("month")) == 3
    assert len(counts("month", "--since", "2001-01-01", "--until", "2001-12-31")) == 0
    assert "user group   loans   open" in on_the_screen(
        town.run("report", "counts", "--by", "user-group", terminal=80).stdout
    )


def test_who_did_what_when(town: Town) -> None:
    emma, ada = town.items["Emma"], town.users["Ada"]
    for at_desk in ((), ("--at-desk",)):
        by_item = town.rows("history", "--item", emma.barcode.lower(), *at_desk)
        assert [row[1:4] for row in by_item] == [
            ["check out", "Ada", "Emma"],
            ["check in", "Bea", "Emma"],
            ["check out", "Bea", "Emma"],
        ]
        assert [row[5] for row in by_item] == ["Sam", "Tim", "Sam"]
        for text in (ada.card_number, " ADA@example.org", ada.id):
            by_user = town.rows("history", "--user", text, *at_desk)
            assert [row[1] for row in by_user] == ["check out", "user enrolled"]
        assert town.rows("history", "--loan", town.loans["late"].id, *at_desk) == by_item[:1]
        assert "Error: " in town.run("history", "--item", "NOSUCH", *at_desk, status=1).stderr
        assert "No user has" in town.run("history", "--user", "20001000000094", *at_desk, status=1).stderr
    assert "loan_id" in town.run("history", "--loan", "7", status=1).stderr
    first, *_ = json.loads(town.run("history", "--item", emma.barcode, "--json").stdout)
    assert (first["event"], first["user_name"], first["staff"]) == ("HISTORY_EVENT_CHECK_OUT", "Ada", "Sam")


def test_the_reports_over_http(town: Town) -> None:
    def get(path: str) -> Any:
        answer = town.rest.request("GET", f"/admin/v1/{path}")
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    [late] = get("reports/openLoans?onlyOverdue=true&userGroup=4B")["loans"]
    assert (late["loan"]["id"], late["user"]["firstName"]) == (town.loans["late"].id, "Ada")
    assert get("reports/openLoans?dueBefore=2001-01-01T00:00:00Z").get("loans", []) == []
    first = get("reports/mostLentBooks?pageSize=1")
    assert (first["books"][0]["book"]["title"], first["books"][0]["loanCount"]) == ("Emma", 2)
    second = get(f"reports/mostLentBooks?pageSize=1&pageToken={first['nextPageToken']}")
    assert second["books"][0]["book"]["title"] == "=Atlas"
    assert [book["title"] for book in get("reports/neverLentBooks")["books"]] == ["Unread"]
    assert get("reports/loanCounts?groupBy=LOAN_GROUPING_BRANCH")["counts"][0]["name"] == "main"
    assert get(f"history?loanId={town.loans['late'].id}")["entries"][0]["staff"] == "Sam"
    for path in ("reports/loanCounts", "history", "reports/openLoans?dueFrom=soon"):
        assert town.rest.request("GET", f"/admin/v1/{path}").status == 400, path


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("report", "by-group", " "), "Name a group"),
    (("report", "counts", "--by", "colour"), "colour"),
    (("report", "counts", "--since", "2026-02-30"), "is not a date"),
    (("report", "counts", "--since", "0001-01-01"), "is not a date of the years 11 to 9989"),
    (("report", "counts", "--since", "2026-02-02", "--until", "2026-02-01"), "is before"),
    (("report", "counts", "--plot", "a.gif"), "does not end with .svg or .png"),
    (("report", "counts", "--plot", "a.svg", "--json"), "exclude each other"),
    (("report", "counts", "--until", "2001-01-01", "--plot", "a.svg"), "No loan was made. a.svg is not written."),
    (("report", "due-soon", "--days", "-1"), "-1"),
    (("history",), "Name one of"),
    (("history", "--item", "A", "--loan", "B"), "Name one of"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_what_is_wrong_is_explained(town: Town, line: tuple[str, ...], message: str) -> None:
    assert message in town.run(*line, status=2).stderr
