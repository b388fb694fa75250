"""Circulation rules and settings on the admin: what clients see, and what goes down to the frontend."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from admin_server.policy import rules
from admin_server.rpc.servicers import services
from library.admin.v1.policy_service_pb2 import (
    CreateCirculationRuleRequest,
    DeleteCirculationRuleRequest,
    GetCirculationRuleRequest,
    GetLibrarySettingsRequest,
    ListCirculationRulesRequest,
    UpdateCirculationRuleRequest,
    UpdateLibrarySettingsRequest,
)
from library.v1.circulation_rule_pb2 import DUE_MODE_NEXT_OPEN, CirculationRule
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.default_policy import DEFAULT_RULE_ID, default_fine_rate, default_rule
from library_domain.errors import RuleExists
from library_domain.rule_order import specificity_rank
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.servicers import ServicerRunner
from tests.support.waiting import second_beside

POLICY = "library.admin.v1.PolicyService"


class Librarian:
    """Calls PolicyService."""

    def __init__(self, store: Store, clock: SettableClock) -> None:
        self._runner = ServicerRunner(services(store, clock))

    def create(self, request_id: str = "", **fields: Any) -> Any:
        request = CreateCirculationRuleRequest(rule=CirculationRule(**fields), request_id=request_id)
        return self._runner.call(f"{POLICY}/CreateCirculationRule", request)

    def get(self, rule_id: str = DEFAULT_RULE_ID) -> Any:
        return self._runner.call(f"{POLICY}/GetCirculationRule", GetCirculationRuleRequest(id=rule_id))

    def update(self, rule_id: str, paths: str = "", **fields: Any) -> Any:
        rule, mask = CirculationRule(id=rule_id, **fields), FieldMask(paths=paths.split())
        request = UpdateCirculationRuleRequest(rule=rule, update_mask=mask)
        return self._runner.call(f"{POLICY}/UpdateCirculationRule", request)

    def delete(self, rule_id: str, etag: str = "") -> Any:
        request = DeleteCirculationRuleRequest(id=rule_id, etag=etag)
        return self._runner.call(f"{POLICY}/DeleteCirculationRule", request)

    def page(self, token: str = "", size: int = 0) -> Any:
        request = ListCirculationRulesRequest(page_size=size, page_token=token)
        return self._runner.call(f"{POLICY}/ListCirculationRules", request)

    def settings(self) -> Any:
        return self._runner.call(f"{POLICY}/GetLibrarySettings", GetLibrarySettingsRequest())

    def set(self, paths: str = "", **fields: Any) -> Any:
        request = UpdateLibrarySettingsRequest(
            settings=LibrarySettings(**fields), update_mask=FieldMask(paths=paths.split())
        )
        return self._runner.call(f"{POLICY}/UpdateLibrarySettings", request)


@pytest.fixture
def librarian(admin: Admin) -> Librarian:
    return Librarian(admin.store, admin.clock)


def reason(outcome: object) -> str:
    assert isinstance(outcome, Refusal), f"was to be refused, and answered {outcome}"
    return outcome.reason


def changed_rules(admin: Admin) -> list[CirculationRule]:
    """Return the rules in the feed."""
    return [change.rule for change in admin.all_changes()[0] if change.HasField("rule")]


def test_a_library_has_one_rule_from_the_start_which_is_not_sent_until_it_is_changed(
    admin: Admin, librarian: Librarian
) -> None:
    [rule] = librarian.page().rules
    assert rule == librarian.get()
    built_in = default_rule(default_fine_rate())
    built_in.etag = rule.etag
    assert rule == built_in
    assert admin.all_changes()[0] == []
    changed = librarian.update(DEFAULT_RULE_ID, loan_days=21)
    built_in.loan_days = 21
    for name in ("etag", "update_time"):
        built_in.MergeFrom(CirculationRule(**{name: getattr(changed, name)}))
    assert changed == librarian.get() == built_in
    changed.ClearField("etag")
    assert changed_rules(admin) == [changed]


def test_rules_are_created_listed_and_deleted(admin: Admin, librarian: Librarian) -> None:
    kinds = [(branch, who, what) for branch in ("", "main") for who in ("", "Child", "Adult") for what in ("", "DVD")]
    made = [librarian.create(branch=branch, user_category=who, item_type=what) for branch, who, what in kinds[1:]]
    listed, token = [], ""
    while True:
        page = librarian.page(token, size=5)
        listed += page.rules
        token = page.next_page_token
        if not token:
            break
        if len(listed) == 5:  # a page goes on after a rule that was deleted meanwhile
            assert librarian.delete(listed[-1].id).deleted
    ranks = [specificity_rank(rule.branch, rule.user_category, rule.item_type) for rule in listed]
    assert ranks == sorted(ranks)
    assert [rule.user_category for rule in listed if rule.branch and rule.item_type] == ["Adult", "Child", ""]
    assert {rule.id for rule in listed} == {DEFAULT_RULE_ID, *(rule.id for rule in made)}
    gone = listed[4].id
    assert gone not in {rule.id for rule in librarian.page().rules}
    assert [rule.id for rule in changed_rules(admin) if rule.deleted] == [gone]
    assert reason(librarian.get(gone)) == reason(librarian.delete(gone)) == "RULE_NOT_FOUND"
    assert reason(librarian.update(gone, loan_days=3)) == "RULE_NOT_FOUND"


def test_a_row_of_the_table_exists_once_in_any_case(librarian: Librarian) -> None:
    first = librarian.create(branch="main", user_category="Student", item_type="DVD", loan_days=7)
    again = librarian.create(branch="main", user_category=" STUDENT", item_type="dvd")
    assert reason(again) == "RULE_EXISTS"
    assert again.metadata == {"rule_id": first.id}
    assert reason(librarian.create(loan_days=7)) == "RULE_EXISTS"
    librarian.delete(first.id)
    second = librarian.create(branch="main", user_category="STUDENT", item_type="dvd")
    assert (second.user_category, second.id != first.id) == ("STUDENT", True)


def test_the_rule_for_everything_cannot_be_deleted(librarian: Librarian) -> None:
    assert reason(librarian.delete(DEFAULT_RULE_ID)) == "RULE_REQUIRED"
    assert len(librarian.page().rules) == 1


def test_of_two_calls_that_create_a_row_at_a_time_one_is_refused(admin: Admin) -> None:
    def create() -> CirculationRule:
        request = CreateCirculationRuleRequest(rule=CirculationRule(item_type="DVD"), request_id=new_id())
        return rules.create_rule(admin.store, request, admin.clock)

    with pytest.raises(RuleExists):
        second_beside(admin.store, create, create)


def test_a_mask_clears_what_is_not_set(librarian: Librarian) -> None:
    rule = librarian.create(
        item_type="DVD",
        loan_days=7,
        renewal_days=3,
        item_type_limit=0,
        lendable=False,
        fine_cap=Money(currency_code="EUR"),
        term_fixed_date=Date(year=2027, month=7, day=31),
        due_mode=DUE_MODE_NEXT_OPEN,
    )
    assert (rule.HasField("item_type_limit"), rule.HasField("fine_cap"), rule.lendable) == (True, True, False)
    kept = librarian.update(rule.id, "loan_days", loan_days=10, item_type_limit=5, grace_days=3)
    assert (kept.loan_days, kept.item_type_limit, kept.grace_days) == (10, 0, 0)
    cleared = librarian.update(rule.id, "renewal_days item_type_limit fine_cap term_fixed_date due_mode lendable")
    for name in ("renewal_days", "item_type_limit", "fine_cap", "term_fixed_date"):
        assert not cleared.HasField(name), name
    assert (cleared.due_mode, cleared.loan_days, cleared.lendable) == (0, 10, True)
    everything = librarian.update(rule.id, "*", loan_hours=4)
    assert (everything.loan_days, everything.loan_hours, everything.item_type) == (0, 4, "DVD")
    assert set(librarian.update(rule.id, "branch price fine_rate.units").fields) == {"update_mask"}


def test_a_change_needs_the_newest_etag_and_no_change_keeps_it(librarian: Librarian) -> None:
    rule = librarian.create(item_type="DVD", loan_days=7)
    same = librarian.update(rule.id, "loan_days", loan_days=7, etag=rule.etag)
    assert same == rule
    changed = librarian.update(rule.id, "loan_days", loan_days=8, etag=rule.etag)
    assert changed.etag != rule.etag
    for refused in (librarian.update(rule.id, loan_days=9, etag=rule.etag), librarian.delete(rule.id, rule.etag)):
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        assert rule.id in refused.message


def test_a_rule_is_created_once_for_a_request_id(librarian: Librarian) -> None:
    request_id = new_id()
    first = librarian.create(request_id, item_type="DVD")
    librarian.update(first.id, loan_days=3)
    assert librarian.create(request_id, item_type="DVD") == first
    assert reason(librarian.create(request_id, item_type="CD")) == "REQUEST_ID_REUSED"


def money(units: int = 0, nanos: int = 0, currency: str = "EUR") -> Money:
    return Money(currency_code=currency, units=units, nanos=nanos)


DAY = Date(year=2027, month=3, day=1)
LATER = Date(year=2027, month=4, day=1)


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ({"loan_days": 7, "loan_hours": 4}, "loan_days loan_hours"),
        ({"max_loan_days": 10}, "max_loan_days"),
        ({"loan_days": 28, "max_loan_days": 27, "max_total_days": 20}, "max_loan_days max_total_days"),
        ({"loan_days": 366, "loan_hours": -1, "branch": "north"}, "loan_days loan_hours"),
        ({"loan_days": 7, "loan_hours": 4, "branch": "north"}, "loan_days loan_hours branch"),
        ({"renewal_days": 0}, "renewal_days"),
        ({"renewal_days": 366}, "renewal_days"),
        ({"loan_hours": 4, "renewal_days": 720}, ""),
        ({"term_floor_date": LATER, "term_ceiling_date": DAY}, "term_floor_date"),
        ({"term_floor_date": DAY, "term_ceiling_date": DAY}, ""),
        ({"term_fixed_date": DAY, "term_ceiling_date": LATER}, "term_fixed_date"),
        ({"term_fixed_date": DAY, "term_floor_date": LATER}, "term_fixed_date"),
        ({"term_fixed_date": Date(year=2027, month=2, day=30)}, "term_fixed_date"),
        ({"term_ceiling_date": Date(year=2027, month=2), "term_floor_date": Date()},
         "term_ceiling_date term_floor_date"),
        ({"fine_rate": money(1, currency="USD"), "fine_cap": money(5)}, "fine_cap"),
        ({"fine_rate": money(-1), "fine_cap": money(0, -1)}, "fine_rate fine_cap"),
        ({"fine_rate": money(1, currency=""), "fine_cap": money(1, currency="eur")}, "fine_rate fine_cap"),
        ({"fine_rate": money(0, 1_000_000_000), "fine_cap": money(1_000_000, 1)}, "fine_rate fine_cap"),
        ({"fine_rate": money(0, 5_000_000), "fine_cap": money()}, ""),
        ({"user_category": "\x00", "item_type": "x" * 41}, "user_category item_type"),
        ({"due_mode": 99, "grace_days": -1, "loan_days": 3, "loan_hours": 3},
         "due_mode grace_days loan_days loan_hours"),
    ],
)  # fmt: skip
def test_all_fields_at_fault_are_named(librarian: Librarian, rule: dict[str, Any], fields: str) -> None:
    named = {f"rule.{field}" for field in fields.split()}
    outcome = librarian.create(**{"item_type": "CD", **rule})
    if named:
        assert (reason(outcome), set(outcome.fields)) == ("FIELD_INVALID", named)
    else:
        assert isinstance(outcome, CirculationRule)


def test_an_update_is_checked_together_with_what_is_stored(librarian: Librarian) -> None:
    rule = librarian.create(
        item_type="DVD", loan_days=7, term_ceiling_date=DAY, fine_rate=money(1), term_floor_date=DAY
    )
    refused = librarian.update(rule.id, loan_hours=3, term_floor_date=LATER, fine_cap=money(5, currency="USD"))
    assert set(refused.fields) == {"rule.loan_days", "rule.loan_hours", "rule.term_floor_date", "rule.fine_cap"}
    assert librarian.get(rule.id) == rule
    assert librarian.update(rule.id, "loan_days loan_hours", loan_hours=3).loan_hours == 3
    static = librarian.update("7", "loan_days shoes fine_cap", loan_days=400, fine_cap=money(-5))
    assert set(static.fields) == {"rule.id", "rule.loan_days", "rule.fine_cap", "update_mask"}


def test_settings_are_not_sent_until_they_are_changed(admin: Admin, librarian: Librarian) -> None:
    before = librarian.settings()
    assert before == LibrarySettings(etag=before.etag)
    assert librarian.set("loan_limit display_name user_fine_cap") == before
    assert admin.all_changes()[0] == []
    changed = librarian.set(loan_limit=0, display_name=" Town library ", user_fine_cap=money(50), etag=before.etag)
    assert (changed.HasField("loan_limit"), changed.display_name) == (True, "Town library")
    assert librarian.settings() == changed
    assert reason(librarian.set(loan_limit=3, etag=before.etag)) == "ETAG_MISMATCH"
    changed.ClearField("etag")
    [sent] = admin.all_changes()[0]
    assert sent.settings == changed
    cleared = librarian.set("loan_limit user_fine_cap")
    assert (cleared.HasField("loan_limit"), cleared.HasField("user_fine_cap")) == (False, False)
    wrong = librarian.set("loan_limit user_fine_cap etag", loan_limit=-1, user_fine_cap=money(-1))
    assert set(wrong.fields) == {"settings.loan_limit", "settings.user_fine_cap", "update_mask"}
