"""What librarians ask for of branches, calendars, circulation rules and settings: what changes no loan of the soak."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1 import branch_service_pb2 as branches
from library.admin.v1 import policy_service_pb2 as policy
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar
from library.v1.circulation_rule_pb2 import CirculationRule
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.default_policy import DEFAULT_RULE_ID, MAIN_BRANCH
from tests.soak.desk import Desk, Plan

BRANCH_CODES = [MAIN_BRANCH, *(f"branch-{number}" for number in range(20))]
NO_BRANCH, NO_RULE = frozenset({"BRANCH_NOT_FOUND"}), frozenset({"RULE_NOT_FOUND"})


def create_branch(desk: Desk) -> Plan:
    branch = Branch(code=desk.chance.choice(BRANCH_CODES), display_name="A branch")
    return Plan([branches.CreateBranchRequest(branch=branch)], refusals=frozenset({"BRANCH_EXISTS"}))


def update_branch(desk: Desk) -> Plan:
    branch = Branch(code=desk.chance.choice(BRANCH_CODES), display_name=f"Branch {desk.new_id()}")
    return Plan([branches.UpdateBranchRequest(branch=branch)], refusals=NO_BRANCH)


def get_branch(desk: Desk) -> Plan:
    return Plan([branches.GetBranchRequest(code=desk.chance.choice(BRANCH_CODES))], refusals=NO_BRANCH)


def get_calendar(desk: Desk) -> Plan:
    return Plan([branches.GetCalendarRequest(branch=desk.chance.choice(BRANCH_CODES))], refusals=NO_BRANCH)


def update_calendar(desk: Desk) -> Plan:
    """Close another branch than the one that lends, on days of the week that have not passed since the soak began."""
    code = desk.chance.choice(BRANCH_CODES[1:])
    calendar = Calendar(branch=code, weekly_closed_days=desk.chance.sample(range(1, 8), 2))
    return Plan([branches.UpdateCalendarRequest(calendar=calendar)], refusals=NO_BRANCH | {"CLOSED_DAY_PASSED"})


def create_rule(desk: Desk) -> Plan:
    """Create a rule for a type that no item has."""
    rule = CirculationRule(item_type=f"Soak {desk.chance.randrange(200)}", loan_days=7)
    return Plan([policy.CreateCirculationRuleRequest(rule=rule)], refusals=frozenset({"RULE_EXISTS"}))


def update_unknown_rule(desk: Desk) -> Plan:
    """Ask for what changes no rule: a garbled request could change the rule by which the soak lends."""
    rule = CirculationRule(id=desk.new_id(), loan_days=14)
    request = policy.UpdateCirculationRuleRequest(rule=rule, update_mask=FieldMask(paths=["loan_days"]))
    return Plan([request], refusals=NO_RULE, must_be_refused=True)


def get_rule(desk: Desk) -> Plan:
    return Plan([policy.GetCirculationRuleRequest(id=DEFAULT_RULE_ID)])


def delete_unknown_rule(desk: Desk) -> Plan:
    return Plan([policy.DeleteCirculationRuleRequest(id=desk.new_id())], refusals=NO_RULE, must_be_refused=True)


def get_settings(desk: Desk) -> Plan:
    return Plan([policy.GetLibrarySettingsRequest()])


def update_old_settings(desk: Desk) -> Plan:
    """Ask with an old etag: a garbled request could change the limit of loans."""
    settings = LibrarySettings(display_name="Another library", etag="f-f")
    request = policy.UpdateLibrarySettingsRequest(settings=settings)
    return Plan([request], refusals=frozenset({"ETAG_MISMATCH"}), must_be_refused=True, can_be_garbled=False)


POLICY_PLANS: dict[str, Callable[[Desk], Plan | None]] = {
    "library.admin.v1.BranchService/CreateBranch": create_branch,
    "library.admin.v1.BranchService/GetBranch": get_branch,
    "library.admin.v1.BranchService/UpdateBranch": update_branch,
    "library.admin.v1.BranchService/GetCalendar": get_calendar,
    "library.admin.v1.BranchService/UpdateCalendar": update_calendar,
    "library.admin.v1.PolicyService/CreateCirculationRule": create_rule,
    "library.admin.v1.PolicyService/GetCirculationRule": get_rule,
    "library.admin.v1.PolicyService/UpdateCirculationRule": update_unknown_rule,
    "library.admin.v1.PolicyService/DeleteCirculationRule": delete_unknown_rule,
    "library.admin.v1.PolicyService/GetLibrarySettings": get_settings,
    "library.admin.v1.PolicyService/UpdateLibrarySettings": update_old_settings,
}
"""By method: all but the lists."""
