"""Explaining a check-out: the rule, the due time and all refusals at a time, by what a check-out itself evaluates."""

from __future__ import annotations

from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.eligibility import CheckoutPlan, Wish, user_not_found
from frontend_server.circulation.outcomes import shift_messages
from frontend_server.circulation.overrides import refusal_messages
from frontend_server.circulation.policy import Policy
from frontend_server.circulation.readings import Reading, best_plan, read
from frontend_server.circulation.renewal import plan_of_renewal
from frontend_server.circulation.rules import LendingRules
from frontend_server.circulation.wishes import wish_of
from frontend_server.refusals import in_order
from frontend_server.store.models import Loan
from library.frontend.v1.circulation_service_pb2 import ExplainRuleRequest, ExplainRuleResponse
from library.v1.circulation_rule_pb2 import CirculationRule
from library_domain.errors import BarcodeNotFound, RuleNotLendable
from service_kit.clock import Clock, micros, timestamp
from service_kit.store import Store
from service_kit.unreadable import readable


def explain_rule(store: Store, request: ExplainRuleRequest, rules: LendingRules, clock: Clock) -> ExplainRuleResponse:
    """Return what a check-out at a time does. Raises `BarcodeNotFound` and `UserNotFound`."""
    wish = wish_of(request)
    now = micros(request.time) if request.HasField("time") else clock()
    with store.snapshot(), readable("item", wish.barcode):
        reading, policy = read(wish), current_policy(rules)
        if not reading.items or reading.book is None:
            raise BarcodeNotFound(barcode=wish.barcode)
        if reading.unreadable_user:
            raise reading.unreadable_user
        if reading.borrower is None:
            raise user_not_found(wish)
        loan = reading.loan
        if loan and loan.user_id == reading.borrower.id:
            return _answer(_renewal(wish, loan, policy, now))
        return _answer(_checkout(wish, reading, policy, now))


def _checkout(wish: Wish, reading: Reading, policy: Policy, now: int) -> CheckoutPlan:
    plan, _ = best_plan(wish, reading, policy, now)
    return plan


def _renewal(wish: Wish, loan: Loan, policy: Policy, now: int) -> CheckoutPlan:
    """Return the plan of a check-out to the user who has the item: a renewal."""
    plan, rule = plan_of_renewal(wish, loan, policy, now)
    branch = policy.branch_of_loan(loan.branch, loan.time_zone)
    return CheckoutPlan(plan.refusals, branch, rule, (rule,), plan.due)


def _answer(plan: CheckoutPlan) -> ExplainRuleResponse:
    answer = ExplainRuleResponse(
        matching_rules=[CirculationRule.FromString(rule.snapshot) for rule in plan.matching_rules],
        refusals=refusal_messages(in_order(plan.refusals)),
    )
    if plan.rule:
        answer.rule.ParseFromString(plan.rule.snapshot)
    if plan.due and not any(isinstance(each, RuleNotLendable) for each in plan.refusals):
        answer.due_time.CopyFrom(timestamp(plan.due.time))
        answer.shifts.extend(shift_messages(plan.due.shifts))
    return answer
