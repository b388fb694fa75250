"""Branches, calendars, circulation rules and settings as messages: for the sync, and with etags for librarians."""

from __future__ import annotations

from typing import Any

from admin_server.store.models import Branch, Calendar, CirculationRule, LibrarySettings
from library.v1 import branch_pb2, calendar_pb2, circulation_rule_pb2, library_settings_pb2
from library_domain.default_policy import default_fine_rate, default_rule
from service_kit.clock import timestamp_if_set
from service_kit.etags import etag_of
from service_kit.salvage import NO_TIME, shown_id

BRANCH_COLUMNS = (Branch.code, Branch.display_name, Branch.time_zone, Branch.create_time, Branch.update_time)
CALENDAR_COLUMNS = (Calendar.branch, Calendar.message, Calendar.update_time)
RULE_COLUMNS = (
    CirculationRule.id,
    CirculationRule.message,
    CirculationRule.deleted,
    CirculationRule.create_time,
    CirculationRule.update_time,
)
SETTINGS_COLUMNS = (LibrarySettings.message, LibrarySettings.update_time)


def branch_of(code: str, display_name: str, time_zone: str, create_time: int, update_time: int) -> branch_pb2.Branch:
    """Return a branch from the values of `BRANCH_COLUMNS`."""
    return branch_pb2.Branch(
        code=code,
        display_name=display_name,
        time_zone=time_zone,
        create_time=timestamp_if_set(create_time),
        update_time=timestamp_if_set(update_time),
    )


def branch_message(row: Branch) -> branch_pb2.Branch:
    """Return a branch as librarians see it."""
    branch = branch_of(row.code, row.display_name, row.time_zone, row.create_time, row.update_time)
    branch.etag = etag_of(row.revision, row.update_time)
    return branch


def calendar_of(branch: str, message: bytes, update_time: int) -> calendar_pb2.Calendar:
    """Return a calendar from the values of `CALENDAR_COLUMNS`."""
    calendar = calendar_pb2.Calendar.FromString(bytes(message))
    calendar.MergeFrom(calendar_pb2.Calendar(branch=branch, update_time=timestamp_if_set(update_time)))
    return calendar


def calendar_message(row: Calendar) -> calendar_pb2.Calendar:
    """Return a calendar as librarians see it."""
    calendar = calendar_of(row.branch, row.message, row.update_time)
    calendar.etag = etag_of(row.revision, row.update_time)
    return calendar


def rule_of(
    rule_id: str, message: bytes, deleted: int, create_time: int, update_time: int
) -> circulation_rule_pb2.CirculationRule:
    """Return a circulation rule from the values of `RULE_COLUMNS`."""
    rule = rule_values(message)
    rule.MergeFrom(
        circulation_rule_pb2.CirculationRule(
            id=rule_id,
            deleted=bool(deleted),
            create_time=timestamp_if_set(create_time),
            update_time=timestamp_if_set(update_time),
        )
    )
    return rule


def rule_values(message: bytes) -> circulation_rule_pb2.CirculationRule:
    """Return the stored values of a rule. An empty message has those that are built in."""
    if message:
        return circulation_rule_pb2.CirculationRule.FromString(bytes(message))
    rule = default_rule(default_fine_rate())
    rule.ClearField("id")
    return rule


def stored_rule(rule: circulation_rule_pb2.CirculationRule) -> bytes:
    """Return the message to store of a rule, which is not empty."""
    values = circulation_rule_pb2.CirculationRule()
    values.CopyFrom(rule)
    for name in ("id", "create_time", "update_time", "etag", "deleted"):
        values.ClearField(name)
    if not values.HasField("lendable"):
        values.lendable = True  # which is the same
    return values.SerializeToString(deterministic=True)


def rule_message(row: CirculationRule) -> circulation_rule_pb2.CirculationRule:
    """Return a circulation rule as librarians see it."""
    rule = rule_of(row.id, row.message, row.deleted, row.create_time, row.update_time)
    rule.etag = etag_of(row.revision, row.update_time)
    return rule


def settings_of(message: bytes, update_time: int) -> library_settings_pb2.LibrarySettings:
    """Return the settings from the values of `SETTINGS_COLUMNS`."""
    settings = library_settings_pb2.LibrarySettings.FromString(bytes(message))
    settings.MergeFrom(library_settings_pb2.LibrarySettings(update_time=timestamp_if_set(update_time)))
    return settings


def settings_message(row: LibrarySettings) -> library_settings_pb2.LibrarySettings:
    """Return the settings as librarians see them."""
    settings = settings_of(row.message, row.update_time)
    settings.etag = etag_of(row.revision, row.update_time)
    return settings


def salvaged_branch(code: Any) -> branch_pb2.Branch:
    """Return what can be sent of a damaged branch."""
    return branch_pb2.Branch(code=shown_id(code), update_time=NO_TIME)


def salvaged_calendar(branch: Any) -> calendar_pb2.Calendar:
    """Return what can be sent of a damaged calendar."""
    return calendar_pb2.Calendar(branch=shown_id(branch), update_time=NO_TIME)


def salvaged_rule(rule_id: Any, deleted: Any) -> circulation_rule_pb2.CirculationRule:
    """Return what can be sent of a damaged rule. The frontend does not use a deleted one again."""
    return circulation_rule_pb2.CirculationRule(id=shown_id(rule_id), deleted=deleted == 1, update_time=NO_TIME)


def salvaged_settings(settings_id: Any) -> library_settings_pb2.LibrarySettings:
    """Return what can be sent of damaged settings."""
    return library_settings_pb2.LibrarySettings(update_time=NO_TIME)
