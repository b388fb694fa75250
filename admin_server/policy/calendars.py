"""Librarians look up and change the calendars of branches."""

from __future__ import annotations

from datetime import date

from admin_server.policy.branches import CODE, CODE_PROBLEM, check_code, today_in
from admin_server.policy.messages import calendar_message
from admin_server.policy.past_days import first_opened_day
from admin_server.store import models
from library.admin.v1.branch_service_pb2 import UpdateCalendarRequest
from library.v1 import calendar_pb2
from library_domain.calendar_problems import calendar_problems, raise_if_never_open
from library_domain.calendars import Calendar
from library_domain.errors import BranchNotFound, CalendarEtagMismatch, ClosedDayPassed
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.etags import etag_of
from service_kit.field_masks import masked_fields, picked, updated
from service_kit.idempotency import once
from service_kit.revisions import lock_revisions, take_revisions
from service_kit.store import Store
from service_kit.text.keys import tidied
from service_kit.unreadable import readable

LISTS = ("weekly_closed_days", "yearly_closed_days", "closed_ranges", "exceptions")
DAYS_OF_A_WEEK = 7

MOST_BYTES = 200_000
"""The largest calendar: the frontend sets a row of more than 250,000 bytes aside."""


def get_calendar(store: Store, branch: str) -> calendar_pb2.Calendar:
    """Return the calendar of a branch. Raises `FieldInvalid` for an invalid code, and `BranchNotFound`."""
    check_code("branch", branch)
    with store.reading(), readable("calendar", branch):
        return calendar_message(_stored_calendar(branch))


def update_calendar(store: Store, request: UpdateCalendarRequest, clock: Clock) -> calendar_pb2.Calendar:
    """Replace the lists that the mask names.

    Raises `FieldInvalid`, `NeverOpen`, `BranchNotFound`, `CalendarEtagMismatch`, and `ClosedDayPassed`.
    """
    check_calendar_update(request)
    calendar = calendar_pb2.Calendar()
    calendar.CopyFrom(request.calendar)
    fields, _ = masked_fields(calendar, request.update_mask, LISTS)
    for closed in calendar.closed_ranges:
        closed.reason = tidied(closed.reason)
    for exception in calendar.exceptions:
        exception.reason = tidied(exception.reason)

    def update() -> calendar_pb2.Calendar:
        lock_revisions()
        row = _stored_calendar(calendar.branch)
        if calendar.etag and calendar.etag != etag_of(row.revision, row.update_time):
            raise CalendarEtagMismatch(branch=calendar.branch)
        before = calendar_pb2.Calendar.FromString(bytes(row.message))
        after = updated(before, calendar, fields)
        if after != before:
            now = clock()
            _refuse_unless_possible(row, before, after, now)
            row.message, row.create_time = after.SerializeToString(deterministic=True), row.create_time or now
            row.update_time, row.revision = now, take_revisions()
            row.save()
        return calendar_message(row)

    with readable("calendar", calendar.branch):
        return once(store, request, calendar_pb2.Calendar, update, clock)


def check_calendar_update(request: UpdateCalendarRequest) -> None:
    """Raise `FieldInvalid` with all problems of an update that the contract's own rules do not cover."""
    calendar = request.calendar
    fields, wrong = masked_fields(calendar, request.update_mask, LISTS)
    if not CODE.fullmatch(calendar.branch):
        wrong.append(("calendar.branch", CODE_PROBLEM))
    wrong += [(f"calendar.{field}", problem) for field, problem in calendar_problems(picked(calendar, fields))]
    if wrong:
        raise FieldInvalid(*wrong)


def _stored_calendar(branch: str) -> models.Calendar:
    row: models.Calendar | None = models.Calendar.get_or_none(models.Calendar.branch == branch)
    if row is None:
        raise BranchNotFound(branch=branch)
    return row


def _refuse_unless_possible(
    row: models.Calendar, before: calendar_pb2.Calendar, after: calendar_pb2.Calendar, now: int
) -> None:
    """Raise `NeverOpen` for a calendar without an open day, and `ClosedDayPassed` for one that changes the past.

    Raise `FieldInvalid` for one that is too large for a row of the sync.
    """
    if after.ByteSize() > MOST_BYTES:
        lists = [f"calendar.{name}" for name in ("closed_ranges", "exceptions") if getattr(after, name)]
        raise FieldInvalid(*((path, f"must be shorter: the calendar has over {MOST_BYTES:,} bytes") for path in lists))
    today, new = today_in(row.branch, now), Calendar.from_message(after)
    is_every_weekday = len(after.weekly_closed_days) == DAYS_OF_A_WEEK
    raise_if_never_open(new, today, "calendar.weekly_closed_days" if is_every_weekday else "calendar.closed_ranges")
    first_day: date = today_in(row.branch, row.create_time) if row.create_time else today
    opened = first_opened_day(Calendar.from_message(before), new, first_day, today)
    if opened:
        raise ClosedDayPassed(branch=row.branch, date=opened)
