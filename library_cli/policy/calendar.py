"""The command `library calendar`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import click
import grpc
from google.type.dayofweek_pb2 import DayOfWeek

from library.v1 import calendar_pb2
from library.v1.calendar_pb2 import CalendarException, ClosedRange, YearlyDay
from library_cli.grpc_errors import service_refusal
from library_cli.options import admin_target_option
from library_cli.policy.calls import Office, in_office
from library_cli.policy.values import DATE
from library_cli.tables import Column, Form, json_option, show
from library_cli.times import counted
from library_domain.calendars import Calendar
from library_domain.local_dates import date_message

WEEKDAYS = {name.lower(): number for name, number in DayOfWeek.items() if number}
ONE_DAY = timedelta(days=1)
CLOSED_DAY_PASSED = "CLOSED_DAY_PASSED"


class ClosedDay(NamedTuple):
    """A date on which the branch is closed."""

    day: date
    reason: str


CLOSED_DAYS = Form[ClosedDay](
    columns=[
        Column("date", lambda closed: closed.day.isoformat()),
        Column("day", lambda closed: f"{closed.day:%A}"),
        Column("reason", lambda closed: closed.reason),
    ],
    as_json=lambda closed: {"date": closed.day.isoformat(), "reason": closed.reason},
    nothing="The branch is not closed on any of these days.",
)


@dataclass(frozen=True)
class Chosen:
    """Which calendar, and where the admin service is."""

    branch: str
    admin_target: str


@click.group("calendar", invoke_without_command=True, short_help="Show and change on which days a branch is closed.")
@click.option("--branch", default="main", show_default=True, help="The code of the branch.")
@click.option("--from", "first", type=DATE, help="The first date.  [default: today]")
@click.option("--days", default=60, show_default=True, type=click.IntRange(1, 3660), help="How many dates to look at.")
@json_option
@admin_target_option
@click.pass_context
def calendar_command(
    ctx: click.Context, branch: str, first: date | None, days: int, json_wanted: bool, admin_target: str
) -> None:
    """List the dates on which a branch is closed, from today on, each with the reason.

    The output is a table on a terminal, otherwise a line for each date, with tabs between date, weekday and reason.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """
    ctx.obj = Chosen(branch, admin_target)
    if ctx.invoked_subcommand is None:
        with in_office(admin_target, json_wanted=json_wanted) as office:
            calendar = Calendar.from_message(office.calendar(branch))
        show(_closed_days(calendar, first or date.today(), days), CLOSED_DAYS, json_wanted=json_wanted, limit=0)  # noqa: DTZ011


@calendar_command.command("close")
@click.argument("first", type=DATE, metavar="DATE")
@click.argument("last", type=DATE, metavar="[LAST_DATE]", required=False)
@click.option("--reason", default="", help="Why, such as Summer.")
@click.pass_obj
def close(chosen: Chosen, first: date, last: date | None, reason: str) -> None:
    """Close a branch on DATE, or from DATE to LAST_DATE. Loans that are due then stay due then."""
    last = last or first
    if last < first:
        raise click.UsageError(f"{last} is before {first}.")
    with in_office(chosen.admin_target) as office:
        calendar = office.calendar(chosen.branch)
        _replace(calendar, [each for each in calendar.exceptions if not first <= _day(each) <= last])
        if first == last:
            calendar.exceptions.append(CalendarException(date=date_message(first), reason=reason))
        else:
            dates = {"first_date": date_message(first), "last_date": date_message(last)}
            calendar.closed_ranges.append(ClosedRange(**dates, reason=reason))
        office.update_calendar(calendar, "closed_ranges", "exceptions")
    when = f"on {first}" if first == last else f"from {first} to {last}, {counted((last - first).days + 1, 'day')}"
    click.echo(f"The branch {chosen.branch} is closed {when}.")


@calendar_command.command("open")
@click.argument("day", type=DATE, metavar="DATE")
@click.option("--reason", default="", help="Why, such as Advent Sunday.")
@click.pass_obj
def open_(chosen: Chosen, day: date, reason: str) -> None:
    """Open a branch on DATE, although its calendar closes it in other ways."""
    with in_office(chosen.admin_target) as office:
        calendar = office.calendar(chosen.branch)
        _replace(calendar, [each for each in calendar.exceptions if _day(each) != day])
        calendar.exceptions.append(CalendarException(date=date_message(day), open=True, reason=reason))
        office.update_calendar(calendar, "exceptions")
    click.echo(f"The branch {chosen.branch} is open on {day}.")


@calendar_command.command("week")
@click.argument("days", nargs=-1, metavar="[WEEKDAY]...", type=click.Choice(list(WEEKDAYS), case_sensitive=False))
@click.option("--none", "is_never", is_flag=True, help="On no day of the week.")
@click.pass_obj
def week(chosen: Chosen, days: tuple[str, ...], is_never: bool) -> None:
    """Close a branch on these days of every week, and on no others.

    Days that have passed stay closed, because fines were counted by them: each becomes an exception.
    """
    if bool(days) == is_never:
        raise click.UsageError("Name the days of the week, such as sunday, or --none.")
    with in_office(chosen.admin_target) as office:
        calendar = office.calendar(chosen.branch)
        before = Calendar.from_message(calendar)
        calendar.ClearField("weekly_closed_days")
        calendar.weekly_closed_days.extend(DayOfWeek.ValueType(WEEKDAYS[day]) for day in dict.fromkeys(days))
        _update_and_keep_past(office, calendar, before)
    click.echo(f"The branch {chosen.branch} is closed every week on: {', '.join(dict.fromkeys(days)) or 'no day'}.")


@calendar_command.command("year")
@click.argument("day", metavar="MM-DD")
@click.pass_obj
def year(chosen: Chosen, day: str) -> None:
    """Close a branch on the day MM-DD of every year, such as 12-25."""
    try:
        first = date.fromisoformat(f"2028-{day}")  # a leap year
    except ValueError as error:
        raise click.UsageError(f"{day!r} is not a day of a year such as 12-25.") from error
    yearly = YearlyDay(month=first.month, day=first.day)
    with in_office(chosen.admin_target) as office:
        calendar = office.calendar(chosen.branch)
        if yearly not in calendar.yearly_closed_days:
            calendar.yearly_closed_days.append(yearly)
            office.update_calendar(calendar, "yearly_closed_days")
    click.echo(f"The branch {chosen.branch} is closed each year on {first:%m-%d}.")


def _closed_days(calendar: Calendar, first: date, days: int) -> Iterator[ClosedDay]:
    last = min(first.toordinal() + days - 1, date.max.toordinal())
    for ordinal in range(first.toordinal(), last + 1):
        day = date.fromordinal(ordinal)
        if reason := calendar.closed_reason(day):
            yield ClosedDay(day, reason)


def _update_and_keep_past(office: Office, calendar: calendar_pb2.Calendar, before: Calendar) -> None:
    """Send the calendar; if it would open days that have passed, send it with an exception for each."""
    lists = ["weekly_closed_days", "exceptions"]
    try:
        office.update_calendar(calendar, *lists)
    except grpc.RpcError as error:
        refused = service_refusal(error)
        if refused is None or refused.reason != CLOSED_DAY_PASSED:
            raise
        first, after = date.fromisoformat(refused.metadata["date"]), Calendar.from_message(calendar)
        for number in range((date.today() - first).days + 1):  # noqa: DTZ011 - a day more does no harm
            day = first + number * ONE_DAY
            if not before.is_open(day) and after.is_open(day):
                calendar.exceptions.append(CalendarException(date=date_message(day), reason=before.closed_reason(day)))
        office.update_calendar(calendar, *lists)


def _replace(calendar: calendar_pb2.Calendar, exceptions: list[CalendarException]) -> None:
    kept: Any = list(exceptions)
    calendar.ClearField("exceptions")
    calendar.exceptions.extend(kept)


def _day(exception: CalendarException) -> date:
    return date(exception.date.year, exception.date.month, exception.date.day)
