"""Whether an item can be lent: pure functions of facts and rules, without a store or a clock.

Each function returns all refusals that apply, so that a client learns about all of them from one call. A check-out is
made if, and only if, there is none; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from zoneinfo import ZoneInfo

from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.due_times import (
    DueTime,
    checkout_due_time,
    due_time_passed,
    is_membership_over,
    loan_too_long,
)
from frontend_server.circulation.lending_branch import LendingBranch
from frontend_server.circulation.policy import Policy
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED
from library.v1.item_pb2 import (
    ITEM_STATE_IN_SERVICE,
    ITEM_STATE_MISSING,
    ITEM_STATE_ON_ORDER,
    ITEM_STATE_SET_ASIDE,
    ITEM_STATE_WITHDRAWN,
)
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.default_policy import MAIN_BRANCH
from library_domain.errors import (
    BarcodeNotFound,
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    CardNotFound,
    ItemNotLendable,
    ItemOnLoan,
    ItemTypeLimitReached,
    LoanLimitReached,
    MembershipExpired,
    NoCopyAvailable,
    RuleNotLendable,
    UserBlocked,
    UserClosed,
    UserNotActive,
    UserNotFound,
)
from library_domain.local_dates import last_date_before
from service_kit.clock import is_time, rfc3339
from service_kit.errors import ServiceError

Refusal: TypeAlias = ServiceError

STATES_IN_WORDS: dict[int, str] = {
    ITEM_STATE_SET_ASIDE: "set aside",
    ITEM_STATE_ON_ORDER: "on order",
    ITEM_STATE_MISSING: "missing",
    ITEM_STATE_WITHDRAWN: "withdrawn",
}
"""Of an item that does not circulate."""


@dataclass(frozen=True)
class Wish:
    """What a check-out or a renewal is asked for. An item is asked for by its barcode, or any item of a book."""

    book_id: str = ""
    barcode: str = ""
    user_id: str = ""
    card_number: str = ""
    days: int = 0
    """0: the rule's own period."""
    due_time: int | None = None
    """A due time that the staff chose."""
    branch: str = ""
    """The branch that lends. Empty: that of the item."""


@dataclass(frozen=True)
class BookFacts:
    """The facts of a book on which a check-out depends."""

    id: str
    state: int
    title: str = ""
    has_free_copy: bool = True
    next_available_time: int | None = None
    """When a copy is expected back; used only without a free copy. Microseconds since 1970; None: now."""


@dataclass(frozen=True)
class ItemFacts:
    """The facts of an item on which a check-out depends."""

    id: str
    book_id: str
    barcode: str
    item_type: str = ""
    branch: str = MAIN_BRANCH
    state: int = ITEM_STATE_IN_SERVICE
    due_time: int | None = None
    """When its open loan is due. None: nobody has it."""


@dataclass(frozen=True)
class BorrowerFacts:
    """The facts of a user on which a check-out or a renewal depends."""

    id: str
    state: int
    active_loan_count: int
    user_category: str = ""
    expire_time: int | None = None
    """The end of the membership. None: it has no end."""
    blocked_until: int = 0
    """The end of the last block by hand."""

    def last_date(self, zone: ZoneInfo) -> date | None:
        """Return the last date of the membership in a time zone. None: it has no end."""
        return None if self.expire_time is None else last_date_before(self.expire_time, zone)


@dataclass(frozen=True)
class CheckoutFacts:
    """The facts on which a check-out depends. An unknown book, item or user is None."""

    book: BookFacts | None
    item: ItemFacts | None
    borrower: BorrowerFacts | None
    has_items: bool = True
    """Whether an item of the book is known here. If none is, copies are lent without items."""
    unreadable_user: Refusal | None = None
    """Why the user's row cannot be read; then `borrower` is None."""
    loans_of_type: Callable[[str], int] = lambda _type_key: 0
    """Returns how many open loans of items of a type the user has; of any type for an empty one."""


@dataclass(frozen=True)
class CheckoutPlan:
    """What a check-out would do, and why it is refused."""

    refusals: list[Refusal]
    branch: LendingBranch
    rule: CirculationRule | None = None
    """None if the rule is unknown, because the item or the user is."""
    matching_rules: tuple[CirculationRule, ...] = ()
    due: DueTime | None = None


def checkout_plan(wish: Wish, facts: CheckoutFacts, policy: Policy, now: int) -> CheckoutPlan:
    """Return what a check-out does at a time: the rule, the due time and all refusals."""
    item, borrower = facts.item, facts.borrower
    branch = policy.branch(wish.branch or (item.branch if item else "") or MAIN_BRANCH)
    copy_refusals = item_refusals(wish, facts) if wish.barcode else book_refusals(wish.book_id, facts.book, now)
    if facts.unreadable_user:
        return CheckoutPlan([*copy_refusals, facts.unreadable_user], branch)
    refusals = [*copy_refusals, *borrower_refusals(wish, borrower, branch, policy.loan_limit, now)]
    is_copy_known = item is not None or (not wish.barcode and facts.book is not None and not facts.has_items)
    if not is_copy_known or borrower is None:
        return CheckoutPlan(refusals, branch)
    rules = policy.matching_rules(branch.code, borrower.user_category, item.item_type if item else "")
    due = _due_time(wish, rules[0], branch, now, borrower.last_date(branch.zone))
    refusals += _rule_refusals(wish, facts, borrower, rules[0], branch, now, due.time)
    return CheckoutPlan(refusals, branch, rules[0], tuple(rules), due)


def _due_time(
    wish: Wish, rule: CirculationRule, branch: LendingBranch, now: int, membership_end: date | None
) -> DueTime:
    if wish.due_time is not None:
        return DueTime(wish.due_time)
    return checkout_due_time(rule, branch, now, wish.days, membership_end)


def _rule_refusals(
    wish: Wish,
    facts: CheckoutFacts,
    borrower: BorrowerFacts,
    rule: CirculationRule,
    branch: LendingBranch,
    now: int,
    due_time: int,
) -> list[Refusal]:
    refusals: list[Refusal] = []
    if not rule.lendable:
        refusals.append(RuleNotLendable(rule_id=rule.id))
    limit = rule.item_type_limit
    if limit is not None and facts.loans_of_type(rule.item_type_key) >= limit:
        refusals.append(ItemTypeLimitReached(user_id=borrower.id, item_type_limit=limit))
    return [*refusals, *too_long(wish, rule, branch, now), *due_time_passed(due_time, now)]


def too_long(wish: Wish, rule: CirculationRule, branch: LendingBranch, start: int) -> list[Refusal]:
    """Return the refusal of more days than the rule allows, counted from the time `start`."""
    if wish.due_time is None:
        return loan_too_long(rule, wish.days)
    return loan_too_long(rule, (branch.date_of(wish.due_time) - branch.date_of(start)).days)


def item_refusals(wish: Wish, facts: CheckoutFacts) -> list[Refusal]:
    """Return why an item cannot be lent to anybody. Of a removed book no item is lent."""
    book, item = facts.book, facts.item
    if book is None or item is None:
        return [BarcodeNotFound(barcode=wish.barcode)]
    if book.state == BOOK_STATE_REMOVED:
        return [BookRemoved(book_id=book.id)]
    refusals: list[Refusal] = []
    if book.state != BOOK_STATE_ACTIVE:
        refusals.append(BookUnavailable(book_id=book.id))
    if item.state != ITEM_STATE_IN_SERVICE:
        state = STATES_IN_WORDS.get(item.state, "in a state that this version does not know")
        refusals.append(ItemNotLendable(barcode=item.barcode, state=state))
    if item.due_time is not None:
        refusals.append(ItemOnLoan(barcode=item.barcode, due_time=shown_time(item.due_time)))
    return refusals


def book_refusals(book_id: str, book: BookFacts | None, now: int) -> list[Refusal]:
    """Return why no copy of the book can be lent. Of a removed book there are no copies to wait for."""
    if book is None:
        return [BookNotFound(book_id=book_id)]
    if book.state == BOOK_STATE_REMOVED:
        return [BookRemoved(book_id=book_id)]
    refusals: list[Refusal] = []
    if book.state != BOOK_STATE_ACTIVE:
        refusals.append(BookUnavailable(book_id=book_id))
    if not book.has_free_copy:
        expected = now if book.next_available_time is None else book.next_available_time
        refusals.append(NoCopyAvailable(book_id=book_id, next_available_time=rfc3339(expected)))
    return refusals


def borrower_refusals(
    wish: Wish, borrower: BorrowerFacts | None, branch: LendingBranch, loan_limit: int, now: int
) -> list[Refusal]:
    """Return why the user cannot have one more loan of any item."""
    refusals = account_refusals(wish, borrower, branch, now)
    if borrower and borrower.active_loan_count >= loan_limit:
        refusals.append(LoanLimitReached(user_id=borrower.id, loan_limit=loan_limit))
    return refusals


def account_refusals(wish: Wish, borrower: BorrowerFacts | None, branch: LendingBranch, now: int) -> list[Refusal]:
    """Return why the user can neither borrow nor renew."""
    if borrower is None:
        return [user_not_found(wish)]
    refusals: list[Refusal] = []
    if borrower.state == USER_STATE_CLOSED:
        refusals.append(UserClosed(user_id=borrower.id))
    elif borrower.state != USER_STATE_ACTIVE:
        refusals.append(UserNotActive(user_id=borrower.id, state=borrower.state))
    last_date = borrower.last_date(branch.zone)
    if is_membership_over(last_date, branch, now):
        refusals.append(MembershipExpired(user_id=borrower.id, last_date=last_date))
    if borrower.blocked_until > now:
        refusals.append(UserBlocked(user_id=borrower.id, until=shown_time(borrower.blocked_until, "it is lifted")))
    return refusals


def user_not_found(wish: Wish) -> UserNotFound:
    """Return the refusal of an unknown user or card."""
    return CardNotFound(card_number=wish.card_number) if wish.card_number else UserNotFound(user_id=wish.user_id)


def shown_time(time: int | None, otherwise: str = "a time that is not known") -> str:
    """Return a time as in RFC 3339, or a text for one that cannot be shown."""
    return rfc3339(time) if is_time(time) and time is not None else otherwise
