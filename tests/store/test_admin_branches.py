"""Branches and their calendars on the admin: what clients see, and what goes down to the frontend."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.dayofweek_pb2 import FRIDAY, MONDAY, SATURDAY, SUNDAY, THURSDAY, TUESDAY, WEDNESDAY

from admin_server.policy import branches
from admin_server.rpc.servicers import services
from library.admin.v1.branch_service_pb2 import (
    CreateBranchRequest,
    GetBranchRequest,
    GetCalendarRequest,
    ListBranchesRequest,
    UpdateBranchRequest,
    UpdateCalendarRequest,
)
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar, CalendarException, ClosedRange, YearlyDay
from library_domain.errors import BranchExists
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.servicers import ServicerRunner
from tests.support.waiting import second_beside

BRANCHES = "library.admin.v1.BranchService"
ALL_WEEK = [MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY]


class Librarian:
    """Calls BranchService."""

    def __init__(self, store: Store, clock: SettableClock) -> None:
        self._runner = ServicerRunner(services(store, clock))

    def create(self, code: str, display_name: str = "A branch", time_zone: str = "", request_id: str = "") -> Any:
        branch = Branch(code=code, display_name=display_name, time_zone=time_zone)
        return self._runner.call(f"{BRANCHES}/CreateBranch", CreateBranchRequest(branch=branch, request_id=request_id))

    def get(self, code: str = "main") -> Any:
        return self._runner.call(f"{BRANCHES}/GetBranch", GetBranchRequest(code=code))

    def page(self, token: str = "", size: int = 0) -> Any:
        return self._runner.call(f"{BRANCHES}/ListBranches", ListBranchesRequest(page_size=size, page_token=token))

    def update(self, code: str, paths: str = "", **fields: Any) -> Any:
        branch, mask = Branch(code=code, **fields), FieldMask(paths=paths.split())
        return self._runner.call(f"{BRANCHES}/UpdateBranch", UpdateBranchRequest(branch=branch, update_mask=mask))

    def calendar(self, branch: str = "main") -> Any:
        return self._runner.call(f"{BRANCHES}/GetCalendar", GetCalendarRequest(branch=branch))

    def close(self, paths: str = "", branch: str = "main", **lists: Any) -> Any:
        calendar, mask = Calendar(branch=branch, **lists), FieldMask(paths=paths.split())
        request = UpdateCalendarRequest(calendar=calendar, update_mask=mask)
        return self._runner.call(f"{BRANCHES}/UpdateCalendar", request)


@pytest.fixture
def librarian(admin: Admin) -> Librarian:
    return Librarian(admin.store, admin.clock)


def reason(outcome: object) -> str:
    assert isinstance(outcome, Refusal), f"was to be refused, and answered {outcome}"
    return outcome.reason


def day(year: int, month: int, number: int) -> Date:
    return Date(year=year, month=month, day=number)


def closed(first: Date, last: Date, reason: str = "") -> ClosedRange:
    return ClosedRange(first_date=first, last_date=last, reason=reason)


def test_a_library_has_one_branch_from_the_start_which_is_not_sent_until_it_is_changed(
    admin: Admin, librarian: Librarian
) -> None:
    main = librarian.get()
    expected = Branch(code="main", display_name="Main library")
    expected.etag = main.etag
    assert main == expected
    assert list(librarian.page().branches) == [main]
    calendar = librarian.calendar()
    assert calendar == Calendar(branch="main", etag=calendar.etag)
    assert librarian.update("main", display_name=main.display_name) == main
    assert librarian.close("weekly_closed_days") == calendar
    assert admin.all_changes()[0] == []
    zoned = librarian.update("main", time_zone="Europe/Berlin")
    assert (zoned.time_zone, zoned.display_name) == ("Europe/Berlin", main.display_name)
    librarian.close(weekly_closed_days=[SUNDAY])
    sent = admin.all_changes()[0]
    assert [change.WhichOneof("change") for change in sent] == ["branch", "calendar"]
    zoned.ClearField("etag")
    assert sent[0].branch == zoned
    assert (sent[1].calendar.branch, list(sent[1].calendar.weekly_closed_days)) == ("main", [SUNDAY])


def test_branches_are_created_and_listed(admin: Admin, librarian: Librarian) -> None:
    for code in ("zoo", "b-1", "0", "m_2"):
        made = librarian.create(code, f" {code} branch ", "America/Santiago")
        assert made == librarian.get(code)
        assert made.display_name == f"{code} branch"
    assert librarian.calendar("zoo").branch == "zoo"
    codes, token = [], ""
    while True:
        page = librarian.page(token, size=2)
        codes += [branch.code for branch in page.branches]
        token = page.next_page_token
        if not token:
            break
    assert codes == ["0", "b-1", "m_2", "main", "zoo"]
    assert [change.WhichOneof("change") for change in admin.all_changes()[0]] == ["branch", "calendar"] * 4


def test_a_code_is_taken_once(admin: Admin, librarian: Librarian) -> None:
    request_id = new_id()
    first = librarian.create("north", request_id=request_id)
    assert librarian.create("north", request_id=request_id) == first
    taken = librarian.create("north")
    assert (reason(taken), taken.metadata) == ("BRANCH_EXISTS", {"branch": "north"})

    def create() -> Branch:
        request = CreateBranchRequest(branch=Branch(code="south", display_name="South"), request_id=new_id())
        return branches.create_branch(admin.store, request, admin.clock)

    with pytest.raises(BranchExists):
        second_beside(admin.store, create, create)


def test_an_item_can_be_in_any_branch_of_the_library(admin: Admin, librarian: Librarian) -> None:
    book = admin.add("Emma")
    with pytest.raises(FieldInvalid, match=r"item\.branch"):
        admin.create_item(book.id, branch="north")
    librarian.create("north")
    assert admin.create_item(book.id, branch="north").branch == "north"


def test_all_fields_of_a_branch_at_fault_are_named(librarian: Librarian) -> None:
    wrong = librarian.create("North", " ", "Europe/Nowhere", request_id="7")
    fields = {"branch.code", "branch.display_name", "branch.time_zone"}
    assert set(wrong.fields) == {*fields, "request_id"}
    assert set(librarian.create("", "", "../UTC").fields) == fields
    wrong = librarian.update("", "code display_name time_zone", time_zone="Factory")
    assert set(wrong.fields) == {*fields, "update_mask"}
    assert reason(librarian.get("A B")) == reason(librarian.calendar("A B")) == "FIELD_INVALID"
    assert reason(librarian.get("x")) == reason(librarian.calendar("x")) == "BRANCH_NOT_FOUND"
    assert reason(librarian.update("x", display_name="X")) == "BRANCH_NOT_FOUND"
    assert reason(librarian.close(branch="x", weekly_closed_days=[SUNDAY])) == "BRANCH_NOT_FOUND"


def test_a_branch_is_changed_by_its_newest_etag_alone(librarian: Librarian) -> None:
    main = librarian.get()
    changed = librarian.update("main", "display_name time_zone", display_name="Town", etag=main.etag)
    assert changed.display_name == "Town"
    assert reason(librarian.update("main", display_name="X", etag=main.etag)) == "ETAG_MISMATCH"
    calendar = librarian.calendar()
    librarian.close(weekly_closed_days=[SUNDAY], etag=calendar.etag)
    assert reason(librarian.close(weekly_closed_days=[MONDAY], etag=calendar.etag)) == "ETAG_MISMATCH"


def test_the_lists_that_are_named_are_replaced_as_a_whole(librarian: Librarian) -> None:
    summer = closed(day(2027, 7, 20), day(2027, 8, 2), " Summer ")
    first = librarian.close(
        weekly_closed_days=[SUNDAY, SATURDAY],
        yearly_closed_days=[YearlyDay(month=12, day=25), YearlyDay(month=2, day=29)],
        closed_ranges=[summer],
        exceptions=[CalendarException(date=day(2027, 12, 12), open=True)],
    )
    assert first.closed_ranges[0].reason == "Summer"
    second = librarian.close(closed_ranges=[closed(day(2028, 7, 1), day(2028, 7, 9))])
    assert len(second.closed_ranges) == 1
    assert second.weekly_closed_days == first.weekly_closed_days
    third = librarian.close("exceptions", weekly_closed_days=[MONDAY])
    assert (list(third.exceptions), third.weekly_closed_days) == ([], first.weekly_closed_days)
    assert librarian.calendar() == third


def test_all_that_is_wrong_with_a_calendar_is_named(librarian: Librarian) -> None:
    wrong = librarian.close(
        weekly_closed_days=[SUNDAY],
        yearly_closed_days=[YearlyDay(month=2, day=30), YearlyDay(month=13, day=1)],
        closed_ranges=[closed(day(2027, 8, 2), day(2027, 7, 20)), closed(Date(year=2027), day(2027, 2, 29))],
        exceptions=[CalendarException(date=day(2027, 12, 12)), CalendarException(date=day(2027, 12, 12), open=True)],
    )
    assert reason(wrong) == "FIELD_INVALID"
    assert set(wrong.fields) == {
        "calendar.yearly_closed_days[0]",
        "calendar.yearly_closed_days[1]",
        "calendar.yearly_closed_days[1].month",
        "calendar.closed_ranges[0].last_date",
        "calendar.closed_ranges[1].first_date",
        "calendar.closed_ranges[1].last_date",
        "calendar.exceptions[0].date",
        "calendar.exceptions[1].date",
    }
    assert librarian.calendar().weekly_closed_days == []


def test_a_calendar_that_a_row_of_the_sync_cannot_have_is_refused(librarian: Librarian) -> None:
    closed_days = [closed(day(2030, 1, 1 + number % 28), day(2031 + number, 1, 1), "x" * 200) for number in range(999)]
    assert set(librarian.close(closed_ranges=closed_days).fields) == {"calendar.closed_ranges"}
    for each in closed_days:
        each.reason = "x" * 100
    assert isinstance(librarian.close(closed_ranges=closed_days), Calendar)


def test_a_calendar_without_an_open_day_is_refused(librarian: Librarian) -> None:
    never = librarian.close(weekly_closed_days=ALL_WEEK)
    assert (reason(never), set(never.fields)) == ("NEVER_OPEN", {"calendar.weekly_closed_days"})
    long = librarian.close(closed_ranges=[closed(day(2026, 1, 1), day(2030, 1, 1))])
    assert (reason(long), set(long.fields)) == ("NEVER_OPEN", {"calendar.closed_ranges"})
    exceptions = [CalendarException(date=day(2027, 12, 12), open=True)]
    assert isinstance(librarian.close(weekly_closed_days=ALL_WEEK, exceptions=exceptions), Calendar)
    assert reason(librarian.close("exceptions")) == "NEVER_OPEN"


OLD: dict[str, Any] = {
    "weekly_closed_days": [SUNDAY],
    "yearly_closed_days": [YearlyDay(month=1, day=20)],
    "closed_ranges": [closed(day(2027, 1, 26), day(2027, 1, 28)), closed(day(2001, 1, 1), day(2001, 1, 1))],
    "exceptions": [
        CalendarException(date=day(2027, 2, 3)),
        CalendarException(date=day(2027, 1, 31), open=True),
        CalendarException(date=day(2027, 2, 12)),
    ],
}


@pytest.mark.parametrize(
    ("paths", "lists", "date"),
    [
        ("weekly_closed_days", {}, "2027-01-17"),
        ("yearly_closed_days", {}, "2027-01-20"),
        ("closed_ranges", {"closed_ranges": OLD["closed_ranges"][:1]}, "2001-01-01"),
        ("closed_ranges", {"closed_ranges": [closed(day(2027, 1, 27), day(2027, 1, 28)), OLD["closed_ranges"][1]]},
         "2027-01-26"),
        ("exceptions", {"exceptions": OLD["exceptions"][1:]}, "2027-02-03"),
        ("exceptions", {"exceptions": [*OLD["exceptions"], CalendarException(date=day(2027, 1, 17), open=True)]},
         "2027-01-17"),
    ],
)  # fmt: skip
def test_a_closed_day_in_the_past_stays_closed(
    admin: Admin, librarian: Librarian, paths: str, lists: dict[str, Any], date: str
) -> None:
    librarian.close(**OLD)  # on Friday 2027-01-15
    admin.clock.advance(days=27)
    refused = librarian.close(paths, **lists)
    assert (reason(refused), refused.metadata) == ("CLOSED_DAY_PASSED", {"branch": "main", "date": date})
    assert librarian.calendar().weekly_closed_days == [SUNDAY]


def test_what_has_not_passed_can_be_opened_and_the_past_can_be_closed(admin: Admin, librarian: Librarian) -> None:
    librarian.close(**OLD)
    slip = librarian.close("weekly_closed_days", weekly_closed_days=[MONDAY])  # a slip is corrected on the same day
    assert slip.weekly_closed_days == [MONDAY]
    librarian.close("weekly_closed_days", weekly_closed_days=[SUNDAY])
    admin.clock.advance(days=27)  # to Thursday 2027-02-11
    assert isinstance(librarian.close("exceptions", exceptions=OLD["exceptions"][:2]), Calendar)
    snow = CalendarException(date=day(2027, 2, 9), reason="Snow")
    assert isinstance(librarian.close("exceptions", exceptions=[*OLD["exceptions"][:2], snow]), Calendar)
    # Sundays are open from now on, and those that have passed stay closed.
    passed = [CalendarException(date=day(2027, month, number)) for month, number in [(1, 17), (1, 24), (2, 7)]]
    opened = librarian.close("weekly_closed_days exceptions", exceptions=[*OLD["exceptions"][:2], snow, *passed])
    assert opened.weekly_closed_days == []
