"""The replicas of what the admin decides about lending: branches, calendars, circulation rules and settings.

The older version of a row whose newest one cannot be applied stays in use: without it, the library could lend by less
suitable rules, or not at all. A deleted rule is not used again, though its last version cannot be applied.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

from frontend_server.circulation.circulation_rule import CirculationRule as Rule
from frontend_server.store.models import Branch, Calendar, CirculationRule, LibrarySettings, PolicyColumns, SyncState
from frontend_server.sync.pulled_kind import AfterCommit, PulledKind, Row, upsert_newest
from frontend_server.sync.trials import Trials
from library.v1 import branch_pb2, calendar_pb2, circulation_rule_pb2
from library_domain.calendar_problems import calendar_problems
from library_domain.default_policy import SETTINGS_ID
from service_kit.ids import UUID, new_id
from service_kit.store import Store

MOST_CHARACTERS = 40
"""Of the code of a branch."""


class PulledPolicy(PulledKind):
    """Rows of which this store has the message alone. What the admin deletes is deleted here."""

    model: ClassVar[type[PolicyColumns]]

    def problems(self, message: Any) -> list[str]:
        """Return nothing: this kind has no texts that are stored, and no values that lending could not use."""
        return []

    def columns(self, message: Any) -> Row:
        """Return nothing: lending reads the message."""
        return {}

    def write_derived(self, store: Store, rows: Sequence[Row]) -> AfterCommit:
        """Let each process read the policy again."""
        self.write_all_derived()
        return super().write_derived(store, rows)

    def write_all_derived(self, trials: Trials | None = None) -> None:
        """Let each process read the policy again."""
        # Not a number: in a restored database another version could get the number of one that a process has read.
        SyncState.update(policy_version=new_id()).execute()

    def restrict_older(self, message: Any, trials: Trials, trial: str) -> None:
        """Do nothing: the older version stays in use."""


class PulledBranches(PulledPolicy):
    """Branches."""

    name = "branch"
    model = Branch
    upsert = upsert_newest(Branch, ())
    salvaged_fields = ("code",)

    def id_of(self, branch: branch_pb2.Branch) -> str:
        """Return the code."""
        return branch.code

    def problems(self, branch: branch_pb2.Branch) -> list[str]:
        """Return what is wrong with a branch. A zone that this machine does not know is replaced by that of `main`."""
        return _code_problems(branch.code)


class PulledCalendars(PulledPolicy):
    """Calendars of branches, which may arrive before their branches."""

    name = "calendar"
    model = Calendar
    upsert = upsert_newest(Calendar, ())
    salvaged_fields = ("branch",)

    def id_of(self, calendar: calendar_pb2.Calendar) -> str:
        """Return the code of the branch."""
        return calendar.branch

    def problems(self, calendar: calendar_pb2.Calendar) -> list[str]:
        """Return what is wrong with a calendar."""
        return [
            *_code_problems(calendar.branch),
            *(f"{field} {problem}" for field, problem in calendar_problems(calendar)),
        ]


class PulledRules(PulledPolicy):
    """Circulation rules."""

    name = "rule"
    model = CirculationRule
    upsert = upsert_newest(CirculationRule, ())
    salvaged_fields = ("id", "deleted")

    def problems(self, rule: circulation_rule_pb2.CirculationRule) -> list[str]:
        """Return what is wrong with a rule."""
        found = [] if UUID.fullmatch(rule.id) else ["the id is not a UUID"]
        try:
            Rule.from_message(rule)
        except ValueError as error:
            found.append(f"a date of the rule does not exist: {error}")
        return found

    def write_derived(self, store: Store, rows: Sequence[Row]) -> AfterCommit:
        """Delete the rules that the admin has deleted."""
        for row in rows:
            if circulation_rule_pb2.CirculationRule.FromString(row["message"]).deleted:
                _delete(row["id"], CirculationRule.revision == row["revision"])
        return super().write_derived(store, rows)

    def restrict_older(self, rule: circulation_rule_pb2.CirculationRule, trials: Trials, trial: str) -> None:
        """Delete the older version of a rule that the admin has deleted."""
        if rule.deleted:
            trials.run(trial, functools.partial(_delete, rule.id))
            self.write_all_derived()


class PulledSettings(PulledPolicy):
    """The settings of the library: one row."""

    name = "settings"
    model = LibrarySettings
    upsert = upsert_newest(LibrarySettings, ())
    salvaged_fields = ()

    def id_of(self, message: Any) -> str:
        """Return the id of the only row."""
        return SETTINGS_ID


def _delete(rule_id: str, *conditions: Any) -> None:
    CirculationRule.delete().where(CirculationRule.id == rule_id, *conditions).execute()


def _code_problems(code: str) -> list[str]:
    if not code or len(code) > MOST_CHARACTERS or not (code.isascii() and code.isprintable()):
        return ["the code of the branch is missing or not a valid one"]
    return []
