"""A case for each method that changes branches, calendars, circulation rules and settings: `POLICY_CASES`."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1 import branch_service_pb2, policy_service_pb2
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar, YearlyDay
from library.v1.circulation_rule_pb2 import CirculationRule
from library.v1.library_settings_pb2 import LibrarySettings
from tests.support.request_id_case import Case

if TYPE_CHECKING:
    from tests.support.request_id_cases import Desk

_DAYS = itertools.cycle(range(1, 29))


def _text() -> str:
    return uuid.uuid4().hex


def _rule(desk: Desk) -> CirculationRule:
    request = policy_service_pb2.CreateCirculationRuleRequest(rule=CirculationRule(item_type=_text()))
    rule: CirculationRule = desk.admin.policy.CreateCirculationRule(request)
    return rule


def creating_a_rule(desk: Desk) -> Case:
    kind = _text()

    def request(days: int) -> Any:
        rule = CirculationRule(item_type=kind, loan_days=days)
        return policy_service_pb2.CreateCirculationRuleRequest(rule=rule)

    def delete(answer: bytes) -> None:
        rule_id = CirculationRule.FromString(answer).id
        desk.admin.policy.DeleteCirculationRule(policy_service_pb2.DeleteCirculationRuleRequest(id=rule_id))

    # A second one would be refused, as the first exists.
    return Case(request(3), request(4), delete, lambda answer: 1)


def updating_a_rule(desk: Desk) -> Case:
    rule_id = _rule(desk).id

    def request(days: int) -> Any:
        rule, mask = CirculationRule(id=rule_id, loan_days=days), FieldMask(paths=["loan_days"])
        return policy_service_pb2.UpdateCirculationRuleRequest(rule=rule, update_mask=mask)

    def count(answer: bytes) -> int:
        now = desk.admin.policy.GetCirculationRule(policy_service_pb2.GetCirculationRuleRequest(id=rule_id))
        return int(now.etag == CirculationRule.FromString(answer).etag)

    return Case(request(3), request(4), lambda answer: desk.admin.policy.UpdateCirculationRule(request(5)), count)


def deleting_a_rule(desk: Desk) -> Case:
    def request() -> Any:
        return policy_service_pb2.DeleteCirculationRuleRequest(id=_rule(desk).id)

    return Case(request(), request(), lambda answer: None, lambda answer: 1)  # a second one would find no rule


def updating_settings(desk: Desk) -> Case:
    def request(name: str) -> Any:
        return policy_service_pb2.UpdateLibrarySettingsRequest(settings=LibrarySettings(display_name=name))

    def count(answer: bytes) -> int:
        now = desk.admin.policy.GetLibrarySettings(policy_service_pb2.GetLibrarySettingsRequest())
        return int(now.etag == LibrarySettings.FromString(answer).etag)

    return Case(
        request(_text()),
        request(_text()),
        lambda answer: desk.admin.policy.UpdateLibrarySettings(request(_text())),
        count,
    )


def creating_a_branch(desk: Desk) -> Case:
    code = _text()

    def request(name: str) -> Any:
        return branch_service_pb2.CreateBranchRequest(branch=Branch(code=code, display_name=name))

    def rename(answer: bytes) -> None:
        branch = Branch(code=code, display_name="Another")
        desk.admin.branches.UpdateBranch(branch_service_pb2.UpdateBranchRequest(branch=branch))

    return Case(request("North"), request("South"), rename, lambda answer: 1)  # a second one would be refused


def _branch(desk: Desk) -> str:
    branch = Branch(code=_text(), display_name="A branch")
    return str(desk.admin.branches.CreateBranch(branch_service_pb2.CreateBranchRequest(branch=branch)).code)


def updating_a_branch(desk: Desk) -> Case:
    code = _branch(desk)

    def request(name: str) -> Any:
        return branch_service_pb2.UpdateBranchRequest(branch=Branch(code=code, display_name=name))

    def count(answer: bytes) -> int:
        now = desk.admin.branches.GetBranch(branch_service_pb2.GetBranchRequest(code=code))
        return int(now.etag == Branch.FromString(answer).etag)

    return Case(
        request("North"), request("South"), lambda answer: desk.admin.branches.UpdateBranch(request("West")), count
    )


def updating_a_calendar(desk: Desk) -> Case:
    code = _branch(desk)

    def request() -> Any:
        calendar = Calendar(branch=code, yearly_closed_days=[YearlyDay(month=12, day=next(_DAYS))])
        return branch_service_pb2.UpdateCalendarRequest(calendar=calendar)

    def count(answer: bytes) -> int:
        now = desk.admin.branches.GetCalendar(branch_service_pb2.GetCalendarRequest(branch=code))
        return int(now.etag == Calendar.FromString(answer).etag)

    return Case(request(), request(), lambda answer: desk.admin.branches.UpdateCalendar(request()), count)


POLICY_CASES: dict[str, Callable[[Desk], Case]] = {
    "library.admin.v1.BranchService/CreateBranch": creating_a_branch,
    "library.admin.v1.BranchService/UpdateBranch": updating_a_branch,
    "library.admin.v1.BranchService/UpdateCalendar": updating_a_calendar,
    "library.admin.v1.PolicyService/CreateCirculationRule": creating_a_rule,
    "library.admin.v1.PolicyService/DeleteCirculationRule": deleting_a_rule,
    "library.admin.v1.PolicyService/UpdateCirculationRule": updating_a_rule,
    "library.admin.v1.PolicyService/UpdateLibrarySettings": updating_settings,
}
