"""The policy of the library as one value: all rules, all branches with their calendars, and the settings.

The frontend receives them from the admin. What it has not received is built in, so that a new library lends without any
configuration: one rule for everything, the branch `main` in the zone of the machine, and no closed days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from zoneinfo import ZoneInfo

from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.lending_branch import LendingBranch
from frontend_server.circulation.rule_choice import RuleTable
from library.v1 import branch_pb2, calendar_pb2, circulation_rule_pb2, library_settings_pb2
from library_domain.calendars import ALWAYS_OPEN, Calendar
from library_domain.default_policy import MAIN_BRANCH
from library_domain.local_dates import time_zone_or_none
from library_domain.money import money_nanos, rounded_to_minor_units


@dataclass(frozen=True)
class PolicyDefaults:
    """What applies as long as the admin has sent nothing else."""

    rule: CirculationRule
    """The rule for everything: `default_policy.default_rule`."""
    loan_limit: int
    machine_zone: ZoneInfo


@dataclass(frozen=True)
class Policy:
    """What a library decides about lending. It never changes: a change of a part makes a new value."""

    rules: RuleTable
    branches: Mapping[str, LendingBranch]
    """The branches by their codes. There is always a branch `main`."""
    default_rule: CirculationRule
    loan_limit: int
    """The most loans that a user can have open."""
    user_fine_cap: int | None = None
    """The most that a user is charged for all loans, in minor units of `user_fine_cap_currency`. None: no limit."""
    user_fine_cap_currency: str = ""

    def rule_for(self, branch: str, user_category: str, item_type: str) -> CirculationRule:
        """Return the rule that applies to a check-out."""
        return self.rules.matching(branch, user_category, item_type)[0]

    def matching_rules(self, branch: str, user_category: str, item_type: str) -> tuple[CirculationRule, ...]:
        """Return all rules that match a check-out, the one that applies first."""
        return self.rules.matching(branch, user_category, item_type)

    def rule_of_loan(self, snapshot: bytes) -> CirculationRule:
        """Return the rule by which a loan was lent. A loan from before there were rules has none: the default."""
        return parsed_rule(snapshot) if snapshot else self.default_rule

    def branch(self, code: str) -> LendingBranch:
        """Return a branch. One that is not known yet is open every day, and has the zone of `main`."""
        known = self.branches.get(code)
        return known or LendingBranch(code, self.branches[MAIN_BRANCH].zone)

    def branch_of_loan(self, code: str, time_zone: str) -> LendingBranch:
        """Return the branch that lent, with its calendar of now and the zone that it had when it lent."""
        branch = self.branch(code or MAIN_BRANCH)
        if time_zone == branch.zone.key:
            return branch
        zone = time_zone_or_none(time_zone)
        return replace(branch, zone=zone) if zone else branch


def policy_of(
    defaults: PolicyDefaults,
    rules: Iterable[circulation_rule_pb2.CirculationRule] = (),
    branches: Iterable[branch_pb2.Branch] = (),
    calendars: Iterable[calendar_pb2.Calendar] = (),
    settings: library_settings_pb2.LibrarySettings | None = None,
) -> Policy:
    """Return the policy of what was received from the admin. Raises `ValueError` for a date that does not exist."""
    received = [CirculationRule.from_message(rule) for rule in rules if not rule.deleted]
    # The admin refuses two rules for the same. If there are two, all processes have to use the same one.
    received.sort(key=lambda rule: rule.id)
    settings = settings or library_settings_pb2.LibrarySettings()
    cap = settings.user_fine_cap
    cap_units = rounded_to_minor_units(cap.currency_code, money_nanos(cap))
    return Policy(
        # The first of two rules for everything counts, so the default applies only if the admin has sent none.
        rules=RuleTable([*received, defaults.rule]),
        branches=_branches_by_code(branches, calendars, defaults.machine_zone),
        default_rule=defaults.rule,
        loan_limit=settings.loan_limit if settings.HasField("loan_limit") else defaults.loan_limit,
        user_fine_cap=cap_units if settings.HasField("user_fine_cap") else None,
        user_fine_cap_currency=cap.currency_code,
    )


@lru_cache(maxsize=1_000)  # thousands of loans have the same few rules
def parsed_rule(snapshot: bytes) -> CirculationRule:
    """Return the rule of its serialized message."""
    return CirculationRule.from_message(circulation_rule_pb2.CirculationRule.FromString(snapshot))


def _branches_by_code(
    branches: Iterable[branch_pb2.Branch], calendars: Iterable[calendar_pb2.Calendar], machine_zone: ZoneInfo
) -> dict[str, LendingBranch]:
    """Return the branches with their calendars, `main` among them.

    A branch without a time zone, or with one that this machine does not know, has the zone of `main`, which has by
    itself that of the machine.
    """
    open_days = {calendar.branch: Calendar.from_message(calendar) for calendar in calendars}
    zones = {MAIN_BRANCH: ""} | {branch.code: branch.time_zone for branch in branches}
    main_zone = time_zone_or_none(zones[MAIN_BRANCH]) or machine_zone
    return {
        code: LendingBranch(code, time_zone_or_none(zone) or main_zone, open_days.get(code, ALWAYS_OPEN))
        for code, zone in zones.items()
    }
