"""Requests to PolicyService and BranchService with every problem that they can have: `POLICY_CASES`."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from library.admin.v1 import branch_service_pb2 as branches
from library.admin.v1 import policy_service_pb2 as policy
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar, CalendarException, ClosedRange, YearlyDay
from library.v1.circulation_rule_pb2 import CirculationRule
from library.v1.library_settings_pb2 import LibrarySettings

POLICY, BRANCHES = "library.admin.v1.PolicyService", "library.admin.v1.BranchService"

BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}
NO_DATE = Date(year=2027, month=2, day=30)
WRONG_RULE: Any = {
    "branch": "b" * 41,
    "user_category": "\x00",
    "item_type": "\u200b",
    "loan_days": 366,
    "loan_hours": 721,
    "max_loan_days": -1,
    "due_mode": 9,
    "renewal_limit": 1_001,
    "renewal_days": 0,
    "renew_from": 9,
    "renew_window_days": -1,
    "max_total_days": 3_651,
    "term_ceiling_date": NO_DATE,
    "fine_rate": Money(currency_code="eur"),
    "fine_period_days": 366,
    "fine_charged_at": 9,
    "grace_days": -1,
    "fine_cap": Money(currency_code="EUR", units=-1),
    "item_type_limit": -1,
}
FIXED = {"branch", "user_category", "item_type"}
WRONG_CALENDAR = Calendar(
    branch="A B",
    weekly_closed_days=[0, 9],
    yearly_closed_days=[YearlyDay(month=2, day=30)],
    closed_ranges=[ClosedRange(first_date=NO_DATE, reason="\x00"), ClosedRange()],
    exceptions=[CalendarException(date=NO_DATE, reason="r" * 201), CalendarException()],
)
WRONG_CALENDAR_FIELDS = {
    "branch",
    "weekly_closed_days[0]",
    "weekly_closed_days[1]",
    "yearly_closed_days[0]",
    "closed_ranges[0].first_date",
    "closed_ranges[0].last_date",
    "closed_ranges[1].first_date",
    "closed_ranges[1].last_date",
    "exceptions[0].date",
    "exceptions[0].reason",
    "exceptions[1].date",
}

POLICY_CASES: list[tuple[str, Message, set[str]]] = [
    (
        f"{POLICY}/CreateCirculationRule",
        policy.CreateCirculationRuleRequest(rule=CirculationRule(**WRONG_RULE), request_id="7"),
        {"request_id", *(f"rule.{field}" for field in WRONG_RULE)},
    ),
    (f"{POLICY}/CreateCirculationRule", policy.CreateCirculationRuleRequest(request_id="7"), {"rule", "request_id"}),
    (f"{POLICY}/GetCirculationRule", policy.GetCirculationRuleRequest(id="7"), {"id"}),
    (f"{POLICY}/ListCirculationRules", policy.ListCirculationRulesRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{POLICY}/UpdateCirculationRule",
        policy.UpdateCirculationRuleRequest(
            rule=CirculationRule(id="7", **WRONG_RULE), update_mask=FieldMask(paths=["*"]), request_id="7"
        ),
        {"request_id", "rule.id", *(f"rule.{field}" for field in WRONG_RULE)},
    ),
    (
        f"{POLICY}/UpdateCirculationRule",
        policy.UpdateCirculationRuleRequest(
            rule=CirculationRule(loan_days=3, loan_hours=3),
            update_mask=FieldMask(paths=["loan_days", "loan_hours", "branch", "x"]),
        ),
        {"rule.id", "rule.loan_days", "rule.loan_hours", "update_mask"},
    ),
    (
        f"{POLICY}/DeleteCirculationRule",
        policy.DeleteCirculationRuleRequest(id="7", etag="e" * 101, request_id="7"),
        {"id", "etag", "request_id"},
    ),
    (
        f"{POLICY}/UpdateLibrarySettings",
        policy.UpdateLibrarySettingsRequest(
            settings=LibrarySettings(
                display_name="\x00", loan_limit=-1, user_fine_cap=Money(currency_code="EUR", nanos=-1)
            ),
            update_mask=FieldMask(paths=["loan_limit", "user_fine_cap", "etag"]),
            request_id="7",
        ),
        {"settings.display_name", "settings.loan_limit", "settings.user_fine_cap", "update_mask", "request_id"},
    ),
    (
        f"{BRANCHES}/CreateBranch",
        branches.CreateBranchRequest(
            branch=Branch(code="A B", display_name="d" * 201, time_zone="Europe/Nowhere"), request_id="7"
        ),
        {"branch.code", "branch.display_name", "branch.time_zone", "request_id"},
    ),
    (f"{BRANCHES}/GetBranch", branches.GetBranchRequest(code="A B"), {"code"}),
    (f"{BRANCHES}/ListBranches", branches.ListBranchesRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{BRANCHES}/UpdateBranch",
        branches.UpdateBranchRequest(
            branch=Branch(time_zone="x" * 65), update_mask=FieldMask(paths=["*"]), request_id="7"
        ),
        {"branch.code", "branch.display_name", "branch.time_zone", "request_id"},
    ),
    (f"{BRANCHES}/GetCalendar", branches.GetCalendarRequest(branch=""), {"branch"}),
    (
        f"{BRANCHES}/UpdateCalendar",
        branches.UpdateCalendarRequest(calendar=WRONG_CALENDAR, update_mask=FieldMask(paths=["*"]), request_id="7"),
        {"request_id", *(f"calendar.{field}" for field in WRONG_CALENDAR_FIELDS)},
    ),
]
"""Each method with a request and the fields that its error names."""
