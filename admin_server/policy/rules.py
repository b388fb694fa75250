"""Librarians create, change, delete and look up circulation rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import peewee

from admin_server.policy.messages import rule_message, rule_values, stored_rule
from admin_server.policy.rule_problems import contradictions, value_problems
from admin_server.store.models import IS_RULE, Branch, CirculationRule
from library.admin.v1.policy_service_pb2 import (
    CreateCirculationRuleRequest,
    DeleteCirculationRuleRequest,
    ListCirculationRulesRequest,
    UpdateCirculationRuleRequest,
)
from library.v1 import circulation_rule_pb2
from library_domain.default_policy import DEFAULT_RULE_ID
from library_domain.errors import RuleEtagMismatch, RuleExists, RuleNotFound, RuleRequired
from library_domain.rule_order import specificity_rank
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.etags import etag_of
from service_kit.field_masks import masked_fields, picked, updated
from service_kit.idempotency import once
from service_kit.ids import UUID, new_id
from service_kit.paging import page, page_size, row_position
from service_kit.revisions import lock_revisions, take_revisions
from service_kit.store import Store
from service_kit.text.keys import text_key, tidied
from service_kit.unreadable import read_rows, readable
from service_kit.validation import Problem, joined

FIXED_FIELDS = ("id", "branch", "user_category", "item_type", "create_time", "update_time", "etag", "deleted")
CHANGEABLE_FIELDS = tuple(
    field.name for field in circulation_rule_pb2.CirculationRule.DESCRIPTOR.fields if field.name not in FIXED_FIELDS
)

ORDER = ("specificity_rank", "branch", "user_category_key", "item_type_key")
"""The columns by which rules are sorted, and of which no two rules have the same values."""


def create_rule(
    store: Store, request: CreateCirculationRuleRequest, clock: Clock
) -> circulation_rule_pb2.CirculationRule:
    """Create a rule. Raises `FieldInvalid` and `RuleExists`."""
    problems = _problems_of_new(request.rule)
    rule = circulation_rule_pb2.CirculationRule()
    rule.CopyFrom(request.rule)
    rule.user_category, rule.item_type = tidied(rule.user_category), tidied(rule.item_type)
    place = _place_of(rule)

    def create() -> circulation_rule_pb2.CirculationRule:
        lock_revisions()  # so that no other call creates it meanwhile
        _raise_for_rule([*problems, *_branch_problems(rule.branch)])
        other = CirculationRule.get_or_none(
            *(getattr(CirculationRule, name) == value for name, value in place.items()), IS_RULE
        )
        if other is not None:
            raise RuleExists(rule_id=other.id)
        now = clock()
        columns = {"id": new_id(), "message": stored_rule(rule), "deleted": 0, "create_time": now, "update_time": now}
        return rule_message(CirculationRule.create(revision=take_revisions(), **place, **columns))

    return once(store, request, circulation_rule_pb2.CirculationRule, create, clock)


def get_rule(store: Store, rule_id: str) -> circulation_rule_pb2.CirculationRule:
    """Return a rule. Raises `RuleNotFound`, also for one that was deleted."""
    with store.reading(), readable("circulation rule", rule_id):
        return rule_message(_stored_rule(rule_id))


def list_rules(
    store: Store, request: ListCirculationRulesRequest
) -> tuple[list[circulation_rule_pb2.CirculationRule], str]:
    """Return a page of the rules, the most specific first, and the token of the next."""
    columns = [getattr(CirculationRule, name) for name in ORDER]
    query = CirculationRule.select().where(IS_RULE).order_by(*columns).limit(page_size(request) + 1)
    if after := row_position(request):
        other = (
            CirculationRule.alias()
        )  # the last rule of the page before; if it was deleted since, its row is still there
        place = other.select(*(getattr(other, name) for name in ORDER)).where(other.key == after)
        query = query.where(peewee.Tuple(*columns) > place)
    with store.reading():
        return page(request, read_rows(query, CirculationRule), rule_message, lambda row: row.key)


def update_rule(
    store: Store, request: UpdateCirculationRuleRequest, clock: Clock
) -> circulation_rule_pb2.CirculationRule:
    """Change the fields that the mask names. Raises `FieldInvalid`, `RuleNotFound` and `RuleEtagMismatch`."""
    check_rule_update(request)
    rule = request.rule
    fields, _ = masked_fields(rule, request.update_mask, CHANGEABLE_FIELDS)

    def update() -> circulation_rule_pb2.CirculationRule:
        lock_revisions()
        row = _stored_rule(rule.id.lower(), rule.etag)
        before = rule_values(row.message)
        after = updated(before, rule, fields)
        _raise_for_rule(contradictions(after, is_whole=True))
        if after != before:
            row.message = stored_rule(after)
            _save(row, clock())
        return rule_message(row)

    with readable("circulation rule", rule.id):
        return once(store, request, circulation_rule_pb2.CirculationRule, update, clock)


def delete_rule(
    store: Store, request: DeleteCirculationRuleRequest, clock: Clock
) -> circulation_rule_pb2.CirculationRule:
    """Delete a rule. Raises `RuleNotFound`, `RuleEtagMismatch`, and `RuleRequired` for the rule for everything."""

    def delete() -> circulation_rule_pb2.CirculationRule:
        lock_revisions()
        row = _stored_rule(request.id, request.etag)
        if row.id == DEFAULT_RULE_ID:
            raise RuleRequired(rule_id=row.id)
        row.deleted = 1
        _save(row, clock())
        return rule_message(row)

    with readable("circulation rule", request.id):
        return once(store, request, circulation_rule_pb2.CirculationRule, delete, clock)


def check_new_rule(request: CreateCirculationRuleRequest) -> None:
    """Raise `FieldInvalid` with all problems of a new rule that are independent of the store."""
    _raise_for_rule(_problems_of_new(request.rule))


def check_rule_update(request: UpdateCirculationRuleRequest) -> None:
    """Raise `FieldInvalid` with all problems of an update that are independent of the stored rule."""
    rule = request.rule
    fields, wrong = masked_fields(rule, request.update_mask, CHANGEABLE_FIELDS)
    if not UUID.fullmatch(rule.id):
        wrong.append(("rule.id", "must be a valid UUID"))
    changed = picked(rule, fields)
    found = joined(list(value_problems(changed)), contradictions(changed, is_whole=False))
    wrong += [(f"rule.{field}", problem) for field, problem in found]
    if wrong:
        raise FieldInvalid(*wrong)


def _stored_rule(rule_id: str, etag: str = "") -> CirculationRule:
    """Read a rule. Raises `RuleNotFound`, and `RuleEtagMismatch` unless it has this etag."""
    row: CirculationRule | None = CirculationRule.get_or_none(CirculationRule.id == rule_id, IS_RULE)
    if row is None:
        raise RuleNotFound(rule_id=rule_id)
    if etag and etag != etag_of(row.revision, row.update_time):
        raise RuleEtagMismatch(rule_id=rule_id)
    return row


def _save(row: CirculationRule, now: int) -> None:
    row.update_time, row.revision = now, take_revisions()
    row.save()


def _place_of(rule: circulation_rule_pb2.CirculationRule) -> dict[str, Any]:
    """Return the columns of `ORDER`."""
    category_key, type_key = text_key(rule.user_category), text_key(rule.item_type)
    rank = specificity_rank(rule.branch, category_key, type_key)
    return dict(zip(ORDER, (rank, rule.branch, category_key, type_key), strict=True))


def _problems_of_new(rule: circulation_rule_pb2.CirculationRule) -> list[Problem]:
    return joined(list(value_problems(rule)), contradictions(rule, is_whole=True))


def _branch_problems(code: str) -> list[Problem]:
    if not code or Branch.select(Branch.key).where(Branch.code == code).exists():
        return []
    return [("branch", f"no branch has the code {code}")]


def _raise_for_rule(problems: Iterable[Problem]) -> None:
    """Raise `FieldInvalid` if a rule has problems, each with its path in the request."""
    named = [(f"rule.{field}", problem) for field, problem in problems]
    if named:
        raise FieldInvalid(*named)
