"""Checking out: a user gets a copy of a book, which is an item if the items of the book are known.

Most check-outs are done at once: one conditional update reserves a copy, one takes an item of the book, another one
counts the loan, and the gates are evaluated with what these statements return. If one of them changes no row, or a gate
is closed, the transaction is rolled back, and a second one begins: it locks the rows first, reads all facts, and finds
all refusals. Then it either makes the loan or refuses it. So the database decides, not this program. Rows are locked in
the order of `LOCK_ORDER`, so that no two transactions deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from frontend_server.circulation import borrowers, copies
from frontend_server.circulation.checkin import close_loan
from frontend_server.circulation.current_policy import current_policy, policy_of_version
from frontend_server.circulation.eligibility import CheckoutFacts, CheckoutPlan, Wish, checkout_plan
from frontend_server.circulation.loans import Changes
from frontend_server.circulation.outcomes import Outcome, shift_messages, tried
from frontend_server.circulation.overrides import NO_OVERRIDES, Overrides, refusal_messages
from frontend_server.circulation.policy import Policy
from frontend_server.circulation.readings import LoanChanged, best_plan, locked_reading
from frontend_server.circulation.renewal import renew_locked
from frontend_server.circulation.rules import LendingRules
from frontend_server.circulation.wishes import wish_of
from frontend_server.refusals import refused
from frontend_server.store.models import Loan
from library.frontend.v1.circulation_service_pb2 import (
    CheckOutRequest,
    CheckOutResponse,
)
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1 import loan_pb2
from library.v1.history_pb2 import HISTORY_EVENT_CHECK_OUT
from library_domain.loans import loan_message
from service_kit.clock import Clock
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.store.errors import WriterBusy
from service_kit.unreadable import readable

Answer = TypeVar("Answer")

COLUMNS = (
    *("id", "book_id", "user_id", "book_title", "days", "borrow_time", "due_time"),
    *("item_id", "barcode", "item_type", "branch", "time_zone", "rule_id", "rule", "revision"),
)
INSERT_LOAN = Statement(Loan.insert(**{name: param(name) for name in COLUMNS}))

MOST_ATTEMPTS = 20
"""How often a check-out begins again because the item was lent or came back between its reading and its locking."""


class _NotAtOnce(Exception):
    """A copy cannot be lent by conditional updates alone: all facts have to be read."""


def borrow_book(store: Store, request: BorrowBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Lend a copy of a book. Raises the first refusal that applies, with all others: see `frontend_server.refusals`."""
    desk = _Desk(store, Wish(book_id=request.book_id, user_id=request.user_id, days=request.days), rules, clock)
    with readable("book", request.book_id):
        try:
            return once(store, request, loan_pb2.Loan, lambda: _loan(desk.lend_at_once()), clock)
        except _NotAtOnce:
            return _repeated(lambda: once(store, request, loan_pb2.Loan, lambda: _loan(desk.lend()), clock))


def check_out(store: Store, request: CheckOutRequest, rules: LendingRules, clock: Clock) -> CheckOutResponse:
    """Lend an item to a user, or renew it if the user has it. Raises the first refusal, with all others."""
    wish = wish_of(request)
    desk = _Desk(store, wish, rules, clock, request.staff, Overrides.from_messages(request.overrides))
    with readable("item", wish.barcode):
        if request.validate_only:
            return _repeated(lambda: tried(store, lambda: _tried_answer(desk.lend())))
        try:
            return once(store, request, CheckOutResponse, lambda: _answer(desk.lend_at_once()), clock)
        except _NotAtOnce:
            return _repeated(lambda: once(store, request, CheckOutResponse, lambda: _answer(desk.lend()), clock))


def _repeated(lend: Callable[[], Answer]) -> Answer:
    """Lend, again where the item was lent or came back meanwhile."""
    for _ in range(MOST_ATTEMPTS):
        with suppress(LoanChanged):
            return lend()
    raise WriterBusy("the item was lent and taken back all the time")


def _loan(outcome: Outcome) -> loan_pb2.Loan:
    if outcome.loan is None:
        raise refused(outcome.refused)
    return outcome.loan


def _answer(outcome: Outcome) -> CheckOutResponse:
    return CheckOutResponse(
        loan=_loan(outcome),
        renewed=outcome.renewed,
        refusals=refusal_messages(outcome.overridden),
        shifts=shift_messages(outcome.shifts),
    )


def _tried_answer(outcome: Outcome) -> CheckOutResponse:
    if outcome.loan is None:
        return CheckOutResponse(refusals=refusal_messages(outcome.refused))
    answer = CheckOutResponse(loan=outcome.loan, renewed=outcome.renewed, shifts=shift_messages(outcome.shifts))
    if not outcome.renewed:
        answer.loan.id = ""
    return answer


@dataclass(frozen=True)
class _Desk:
    """A check-out that is asked for, and what it needs."""

    store: Store
    wish: Wish
    rules: LendingRules
    clock: Clock
    staff: str = ""
    overrides: Overrides = NO_OVERRIDES

    def lend_at_once(self) -> Outcome:
        """Lend a copy by conditional updates, within a transaction. Raises `_NotAtOnce` to have it rolled back."""
        if self.wish.due_time is not None:
            raise _NotAtOnce
        reserved = copies.reserved(self.wish)
        if reserved is None:
            raise _NotAtOnce
        book, item, policy_version = reserved
        policy = policy_of_version(self.rules, policy_version)
        borrower = borrowers.counted_borrower(self.wish.user_id, self.wish.card_number, policy.loan_limit)
        if borrower is None:
            raise _NotAtOnce
        # Read the clock after the copy is reserved. Read before the lock was granted, the borrow time of this loan
        # could be earlier than the return time of the loan for which the copy was out.
        now = self.clock()
        count_of_type = partial(borrowers.loans_of_type, borrower.id)
        facts = CheckoutFacts(book, item, borrower, has_items=item is not None, loans_of_type=count_of_type)
        plan = checkout_plan(self.wish, facts, policy, now)
        if plan.refusals:
            raise _NotAtOnce
        return _insert(plan, facts, Changes(now, self.staff), {})

    def lend(self) -> Outcome:
        """Lend a copy, or find all refusals, within a transaction that locks every row that it depends on."""
        takes_back = "ITEM_ON_LOAN" in self.overrides.reasons
        reading = locked_reading(self.store, self.wish, takes_back=takes_back)
        policy = current_policy(self.rules)
        changes = Changes(self.clock(), self.staff, alone=takes_back)
        holder = reading.loan
        if holder and reading.borrower and holder.user_id == reading.borrower.id:
            return self._renew(holder, policy, changes)
        plan, facts = best_plan(self.wish, reading, policy, changes.time)
        remaining, overridden = self.overrides.split(plan.refusals)
        if remaining:
            return Outcome(refused=remaining)
        if holder:
            close_loan(holder, policy, max(changes.time, holder.borrow_time), changes)
        # Otherwise there is a refusal that nobody can override.
        assert facts.book is not None
        assert facts.borrower is not None
        copies.lend_copy(facts.book.id, facts.item.id if facts.item else "", alone=takes_back)
        borrowers.ADD_LOAN.rows(user_id=facts.borrower.id)
        return replace(_insert(plan, facts, changes, self.overrides.kept(overridden)), overridden=overridden)

    def _renew(self, loan: Loan, policy: Policy, changes: Changes) -> Outcome:
        outcome = renew_locked(self.store, self.wish, loan, policy, changes, self.overrides)
        if outcome.loan:
            changes.write()
        return outcome


def _insert(plan: CheckoutPlan, facts: CheckoutFacts, changes: Changes, overridden: Mapping[str, str]) -> Outcome:
    """Insert the loan of a plan, after its copy and its user were counted."""
    book, item, borrower, rule, due = facts.book, facts.item, facts.borrower, plan.rule, plan.due
    if book is None or borrower is None or rule is None or due is None:
        raise AssertionError("a plan without a refusal has all of them")
    due_date = plan.branch.date_of(due.time)
    values: dict[str, Any] = {
        "id": new_id(),
        "book_id": book.id,
        "user_id": borrower.id,
        "book_title": book.title,
        "days": max(0, (due_date - plan.branch.date_of(changes.time)).days),
        "borrow_time": changes.time,
        "due_time": due.time,
        "item_id": item.id if item else "",
        "barcode": item.barcode if item else "",
        "item_type": item.item_type if item else "",
        "branch": plan.branch.code,
        "time_zone": plan.branch.zone.key,
        "rule_id": rule.id,
        "rule": rule.snapshot,
    }
    loan = Loan(**values)
    changes.event(HISTORY_EVENT_CHECK_OUT, loan, f"due {due_date}", overridden)
    INSERT_LOAN.rows(revision=changes.write(inserts=1), **values)
    return Outcome(loan_message(loan, changes.time), shifts=due.shifts)
