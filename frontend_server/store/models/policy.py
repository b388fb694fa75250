"""The replicas of what the library decides about lending: branches, calendars, circulation rules and settings."""

from __future__ import annotations

import peewee

from service_kit.columns import ReplicaColumns


class PolicyColumns(ReplicaColumns):
    """The admin's message as received. Only the sync writes it, and it deletes what the admin deleted.

    Each change writes another `SyncState.policy_version`: see `frontend_server.circulation.current_policy`.
    """

    key = peewee.BigAutoField()
    id = peewee.CharField(40, unique=True)
    message = peewee.BlobField()


class Branch(PolicyColumns):
    """A branch; its id is its code."""

    class Meta:
        table_name = "branch"


class Calendar(PolicyColumns):
    """The calendar of a branch, whose code is its id."""

    class Meta:
        table_name = "calendar"


class CirculationRule(PolicyColumns):
    """A circulation rule."""

    class Meta:
        table_name = "circulation_rule"


class LibrarySettings(PolicyColumns):
    """The settings of the library: at most one row."""

    class Meta:
        table_name = "library_settings"
