"""`library rules`, `branches`, `calendar` and `settings`, run in the test's process against a real admin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from google.type.dayofweek_pb2 import MONDAY

from admin_server.policy.calendars import update_calendar
from library.admin.v1.branch_service_pb2 import GetCalendarRequest, UpdateCalendarRequest
from library.v1.calendar_pb2 import Calendar
from library_cli.__main__ import main
from library_domain.default_policy import DEFAULT_RULE_ID
from service_kit.clock import DAY, system_clock
from tests.support.clients import AdminClient
from tests.support.clocks import SettableClock
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases, bound_store

Run = Callable[..., Result]


@pytest.fixture
def admin(servers: Servers, databases: FreshDatabases) -> tuple[AdminClient, Run]:
    """Start an admin whose main branch was closed on Mondays for the last 30 days."""
    url, closed = databases.migrated("admin", "sqlite"), Calendar(branch="main", weekly_closed_days=[MONDAY])
    with bound_store("admin", url) as store:
        earlier = SettableClock(system_clock() - 30 * DAY)
        update_calendar(store, UpdateCalendarRequest(calendar=closed), earlier)
    server = servers.start("admin", url)

    def run(line: str, *more: str, terminal: bool = False, status: int = 0) -> Result:
        shape = {"TTY_COMPATIBLE": "1", "COLUMNS": "110", "TERM": "xterm"} if terminal else {"TTY_COMPATIBLE": "0"}
        environment = {"LIBRARY_ADMIN_TARGET": server.address, "TZ": "UTC", **shape}
        done = CliRunner().invoke(main, [*line.split(), *more], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == status, done.output
        return done

    return server.admin(), run


def rows(done: Result) -> list[list[str]]:
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_a_librarian_keeps_the_rules(admin: tuple[AdminClient, Run]) -> None:
    _, run = admin
    assert rows(run("rules")) == [["", "", "", "14 days", "that-day", "3", "0.20 EUR a day", DEFAULT_RULE_ID]]
    added = run(
        "rules add --type DVD --days 7 --when-closed next-open --renewals 1 --fine", "1 EUR", "--max-fine", "5 EUR"
    )
    assert added.stdout.startswith("Added the rule for items of the type DVD:\n  lend: yes\n  days: 7\n")
    assert run("rules add --type dvd", status=1).stderr.startswith("Error: The circulation rule ")
    changed = run("rules change --type dvd --hours 4 --clear max-fine --due-by 2027-01-31")
    assert "  hours: 4\n" in changed.stdout
    assert "days" not in changed.stdout
    assert "max-fine" not in changed.stdout
    assert "  due-by: 2027-01-31\n" in changed.stdout
    run("rules change --days 21")
    [dvd, everything] = rows(run("rules"))
    assert dvd[:7] == ["", "", "DVD", "4 hours", "next-open", "1", "1.00 EUR a day"]
    assert everything[3] == "21 days"
    shown = re.sub(r"\x1b\[[\d;]*m", "", run("rules", terminal=True).stdout)
    assert re.search(r"any +any +DVD +4 hours +next-open +1 +1\.00 EUR a day", shown)
    [first, _] = json.loads(run("rules --json").stdout)
    assert (first["item_type"], first["loan_hours"], first["fine_rate"]["units"]) == ("DVD", 4, "1")
    assert run("rules delete", status=1).stderr.startswith("Error: The circulation rule ")
    assert "Deleted the rule for items of the type DVD" in run("rules delete --type DVD").stdout
    missing = run("rules change --type DVD --category Child --days 3", status=1)
    assert "There is no rule for items of the type DVD and users of the category Child" in missing.stderr
    assert len(rows(run("rules"))) == 1


WRONG: list[tuple[str, tuple[str, ...], int, str]] = [
    ("rules change", (), 2, "Name the values to change"),
    ("rules change --fine", ("0.20",), 2, "is not an amount"),
    ("rules change --fine", ("1e999 EUR",), 2, "is not an amount"),
    ("rules change --due-on 2027-02-30", (), 2, "is not a date"),
    ("rules change --days 366", (), 1, "rule.loan_days"),
    ("rules add --branch nowhere", (), 1, "no branch has the code nowhere"),
    ("branches change main", (), 2, "Name what to change"),
    ("branches add Main Main", (), 1, "branch.code"),
    ("branches change main --zone Berlin", (), 1, "Europe/Berlin"),
    ("calendar --branch nowhere", (), 1, "No branch has the code nowhere"),
    ("calendar week", (), 2, "Name the days of the week"),
    ("calendar week funday", (), 2, "funday"),
    ("calendar close 2027-02-03 2027-02-01", (), 2, "is before"),
    ("calendar year 02-30", (), 2, "is not a day of a year"),
    ("calendar week monday tuesday wednesday thursday friday saturday sunday", (), 1, "leave a day open"),
    ("settings --max-fines", ("-1 EUR",), 2, "is not an amount"),
]


def test_what_is_wrong_is_explained(admin: tuple[AdminClient, Run]) -> None:
    _, run = admin
    for line, more, status, message in WRONG:
        done = run(line, *more, status=status)
        assert message in " ".join(done.stderr.split()), (line, done.stderr)


def test_a_librarian_keeps_branches_and_settings(admin: tuple[AdminClient, Run]) -> None:
    _, run = admin
    assert "library calendar --branch north week sunday" in run("branches add north", "North branch").stdout
    assert "time zone: Europe/Berlin" in run("branches change main --zone Europe/Berlin").stdout
    assert rows(run("branches")) == [["main", "Main library", "Europe/Berlin"], ["north", "North branch", ""]]
    assert "that of main" in run("branches", terminal=True).stdout
    assert run("settings").stdout == "name\t\nloan-limit\t\nmax-fines\t\n"
    assert run("settings --loan-limit 0 --name Town --max-fines", "7.5 EUR").stdout == (
        "name\tTown\nloan-limit\t0\nmax-fines\t7.50 EUR\n"
    )
    [settings] = json.loads(run("settings --clear loan-limit --json").stdout)
    assert (settings["display_name"], "loan_limit" in settings) == ("Town", False)


def test_a_librarian_keeps_the_calendar(admin: tuple[AdminClient, Run]) -> None:
    client, run = admin
    run("calendar week sunday")
    run("calendar year 12-25")
    run("calendar close 2030-07-01 2030-07-05 --reason Summer")
    run("calendar close 2030-06-12")
    run("calendar open 2030-07-03 --reason Fair")
    listed = rows(run("calendar --from 2030-06-10 --days 25"))
    assert listed == [
        ["2030-06-12", "Wednesday", "exceptionally closed on 2030-06-12"],
        ["2030-06-16", "Sunday", "closed on Sundays"],
        ["2030-06-23", "Sunday", "closed on Sundays"],
        ["2030-06-30", "Sunday", "closed on Sundays"],
        ["2030-07-01", "Monday", "Summer"],
        ["2030-07-02", "Tuesday", "Summer"],
        ["2030-07-04", "Thursday", "Summer"],
    ]
    run("calendar open 2030-06-12")
    assert "2030-06-12" not in run("calendar --from 2030-06-10 --days 25").stdout
    assert "2030-06-16" in run("calendar --from 2030-06-10", terminal=True).stdout
    assert json.loads(run("calendar --from 2030-12-25 --days 1 --json").stdout) == [
        {"date": "2030-12-25", "reason": "closed each year on 12-25"}
    ]
    assert run("calendar --from 9999-12-30").stdout == "", "no day of the year 10000 is looked at"
    passed = datetime.now(UTC).date() - timedelta(days=9)
    run(f"calendar close {passed} --reason Snow")
    assert "CLOSED" not in run(f"calendar open {passed}", status=1).stdout
    run("calendar week --none")  # the Mondays that have passed stay closed
    calendar = client.branches.GetCalendar(GetCalendarRequest(branch="main"))
    assert not calendar.weekly_closed_days
    kept = {date(each.date.year, each.date.month, each.date.day): each.open for each in calendar.exceptions}
    assert kept[passed] is False
    mondays = {day for day in kept if day.weekday() == 0 and day < datetime.now(UTC).date() and day != passed}
    assert 3 <= len(mondays) <= 5
    assert not any(kept[day] for day in mondays)
