"""The admin's writing calls of branches, calendars, circulation rules and settings, with values that overlap."""

from __future__ import annotations

import random
from collections.abc import Callable
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.policy import branches, calendars, library_settings, rules
from admin_server.store.models import IS_RULE, CirculationRule
from library.admin.v1.branch_service_pb2 import CreateBranchRequest, UpdateBranchRequest, UpdateCalendarRequest
from library.admin.v1.policy_service_pb2 import (
    CreateCirculationRuleRequest,
    DeleteCirculationRuleRequest,
    UpdateCirculationRuleRequest,
    UpdateLibrarySettingsRequest,
)
from library.v1 import branch_pb2, calendar_pb2, circulation_rule_pb2, library_settings_pb2
from library_domain.default_policy import MAIN_BRANCH
from service_kit.clock import Clock
from service_kit.ids import new_id
from service_kit.store import Store

Call = Callable[[random.Random], object]


class PolicyCalls:
    """The calls of an admin whose store is bound."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.by_name: dict[str, Call] = {
            "library.admin.v1.BranchService/CreateBranch": self.create_branch,
            "library.admin.v1.BranchService/UpdateBranch": self.update_branch,
            "library.admin.v1.BranchService/UpdateCalendar": self.update_calendar,
            "library.admin.v1.PolicyService/CreateCirculationRule": self.create_rule,
            "library.admin.v1.PolicyService/UpdateCirculationRule": self.update_rule,
            "library.admin.v1.PolicyService/DeleteCirculationRule": self.delete_rule,
            "library.admin.v1.PolicyService/UpdateLibrarySettings": self.update_settings,
        }

    def create_branch(self, chance: random.Random) -> object:
        branch = branch_pb2.Branch(code=f"branch{chance.randrange(200)}", display_name="A branch")
        request = CreateBranchRequest(branch=branch, request_id=_request_id(chance))
        return branches.create_branch(self.store, request, self.clock)

    def update_branch(self, chance: random.Random) -> object:
        branch = branch_pb2.Branch(code=MAIN_BRANCH, display_name=f"Main {chance.random()}")
        request = UpdateBranchRequest(branch=branch, request_id=_request_id(chance))
        return branches.update_branch(self.store, request, self.clock)

    def update_calendar(self, chance: random.Random) -> object:
        closed = [calendar_pb2.YearlyDay(month=12, day=chance.randint(1, 31))]
        calendar = calendar_pb2.Calendar(branch=MAIN_BRANCH, yearly_closed_days=closed)
        request = UpdateCalendarRequest(calendar=calendar, request_id=_request_id(chance))
        return calendars.update_calendar(self.store, request, self.clock)

    def create_rule(self, chance: random.Random) -> object:
        rule = circulation_rule_pb2.CirculationRule(item_type=f"Type {chance.randrange(100)}", loan_days=7)
        request = CreateCirculationRuleRequest(rule=rule, request_id=_request_id(chance))
        return rules.create_rule(self.store, request, self.clock)

    def update_rule(self, chance: random.Random) -> object:
        rule = circulation_rule_pb2.CirculationRule(id=self._some_rule(chance), grace_days=chance.randrange(300))
        request = UpdateCirculationRuleRequest(
            rule=rule, update_mask=FieldMask(paths=["grace_days"]), request_id=_request_id(chance)
        )
        return rules.update_rule(self.store, request, self.clock)

    def delete_rule(self, chance: random.Random) -> object:
        request = DeleteCirculationRuleRequest(id=self._some_rule(chance), request_id=_request_id(chance))
        return rules.delete_rule(self.store, request, self.clock)

    def update_settings(self, chance: random.Random) -> object:
        settings = library_settings_pb2.LibrarySettings(loan_limit=chance.randrange(1_000))
        request = UpdateLibrarySettingsRequest(settings=settings, request_id=_request_id(chance))
        return library_settings.update_settings(self.store, request, self.clock)

    def _some_rule(self, chance: random.Random) -> str:
        with self.store.reading():
            newest = CirculationRule.select().where(IS_RULE).order_by(CirculationRule.key.desc())
            ids = [row.id for row in newest.limit(4)]
        return chance.choice(ids or [new_id()])


def _request_id(chance: random.Random) -> str:
    """Return no request id in most cases, or one of a few, which other calls use as well."""
    return str(UUID(int=chance.randrange(1_000, 1_040))) if chance.random() < 0.1 else ""
