"""Damaged rows of branches, calendars, rules and settings: found, repaired, and sent so that the frontend sees it."""

from __future__ import annotations

import pytest

from admin_server.policy.branches import update_branch
from admin_server.policy.rules import create_rule, get_rule, list_rules
from admin_server.sync.repair import find_damage, find_start_damage, repair
from library.admin.v1.branch_service_pb2 import UpdateBranchRequest
from library.admin.v1.policy_service_pb2 import CreateCirculationRuleRequest, ListCirculationRulesRequest
from library.v1.branch_pb2 import Branch
from library.v1.circulation_rule_pb2 import CirculationRule
from library_domain.default_policy import DEFAULT_RULE_ID
from service_kit.errors import RowUnreadable
from service_kit.message_checks import message_problems
from service_kit.salvage import NO_TIME
from tests.support.admin import Admin

TABLES = ("branch", "calendar", "circulation_rule", "library_settings")


def create(admin: Admin, item_type: str) -> CirculationRule:
    request = CreateCirculationRuleRequest(rule=CirculationRule(item_type=item_type, loan_days=7))
    return create_rule(admin.store, request, admin.clock)


def execute(admin: Admin, *statements: str) -> None:
    with admin.store.writing():
        for statement in statements:
            admin.store.database.execute_sql(statement)


def test_a_damaged_revision_is_found_and_repaired(admin: Admin) -> None:
    with admin.store.reading():
        assert find_damage(admin.store) == []
    execute(admin, *(f"UPDATE {table} SET revision = -1" for table in TABLES))
    with admin.store.reading():
        assert find_damage(admin.store) == [f"{table}.revision is damaged in 1 rows" for table in TABLES]
    with admin.store.writing():
        repair(admin.store, admin.clock)
        assert find_damage(admin.store) == []
    sent = [change.WhichOneof("change") for change in admin.all_changes()[0]]
    assert sent == ["branch", "calendar", "rule", "settings"]
    assert admin.all_changes()[0][2].rule.loan_days == 14, "the rule of the program, as it has not been changed"


def test_a_counter_behind_a_rule_is_found_at_the_start(admin: Admin) -> None:
    create(admin, "DVD")
    execute(admin, "UPDATE counter SET revision = 1 WHERE id = 1")
    with admin.store.reading():
        assert find_start_damage(admin.store) == ["counter.revision is less than the newest revision of a row"]


def test_a_damaged_row_is_left_out_of_lists_and_set_aside_by_the_frontend(admin: Admin) -> None:
    bad, good = create(admin, "DVD"), create(admin, "CD")
    value = "X'FFFF'" if not admin.store.is_postgresql else "'\\xffff'"
    execute(admin, f"UPDATE circulation_rule SET message = {value} WHERE id = '{bad.id}'")
    listed, token = list_rules(admin.store, ListCirculationRulesRequest(page_size=1))
    assert [rule.id for rule in listed] == [good.id]
    for _ in range(2):
        more, token = list_rules(admin.store, ListCirculationRulesRequest(page_size=1, page_token=token))
        listed += more
    assert [rule.id for rule in listed] == [good.id, DEFAULT_RULE_ID]
    with pytest.raises(RowUnreadable):
        get_rule(admin.store, bad.id)
    [unreadable, sent] = [change.rule for change in admin.all_changes()[0]]
    assert unreadable == CirculationRule(id=bad.id, update_time=NO_TIME)
    assert message_problems(unreadable)
    assert sent.id == good.id
    execute(admin, f"UPDATE circulation_rule SET deleted = 1 WHERE id = '{bad.id}'")
    assert admin.all_changes()[0][0].rule == CirculationRule(id=bad.id, update_time=NO_TIME, deleted=True)


def test_a_damaged_branch_is_sent_with_its_code_alone(admin: Admin) -> None:
    update_branch(admin.store, UpdateBranchRequest(branch=Branch(code="main", display_name="Town")), admin.clock)
    execute(admin, f"UPDATE branch SET update_time = {2**62}")
    [change] = admin.all_changes()[0]
    assert change.branch == Branch(code="main", update_time=NO_TIME)
