"""Checking in: a copy comes back."""

from __future__ import annotations

from frontend_server.circulation.borrowers import DECREMENT_LOAN_COUNT
from frontend_server.circulation.copies import (
    book_facts,
    find_item,
    item_message,
    lock_book,
    put_on_shelf,
    take_back_copy,
)
from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.eligibility import STATES_IN_WORDS, ItemFacts
from frontend_server.circulation.loan_fines import Fine, fine_of, shown_loan
from frontend_server.circulation.loans import (
    Changes,
    done_once,
    is_open_loan_of_item,
    locked_loan,
    oldest_open_loan,
    open_loan_of_item,
)
from frontend_server.circulation.policy import Policy
from frontend_server.circulation.rules import LendingRules
from frontend_server.circulation.wishes import check_item
from frontend_server.store.models import Loan
from library.frontend.v1.circulation_service_pb2 import (
    CHECK_IN_OUTCOME_ASIDE,
    CHECK_IN_OUTCOME_SHELVE,
    CheckInOutcome,
    CheckInRequest,
    CheckInResponse,
)
from library.frontend.v1.lending_service_pb2 import ReturnBookRequest
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library.v1.history_pb2 import HISTORY_EVENT_CHECK_IN, HISTORY_EVENT_CHECK_IN_NOT_OUT
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE
from library_domain.barcodes import normalized_barcode
from library_domain.errors import BarcodeNotFound, LoanNotFound, LoanReturned, NoOpenLoan
from library_domain.money import set_amount
from service_kit.clock import Clock, micros, rfc3339
from service_kit.errors import FieldInvalid
from service_kit.store import Store
from service_kit.unreadable import readable


def check_return(request: ReturnBookRequest) -> None:
    """Raise `FieldInvalid` unless a request names a loan, or a book and its user."""
    if request.loan_id:
        named = [name for name in ("book_id", "user_id") if getattr(request, name)]
        problems = [(name, "must not be set together with loan_id") for name in named]
    else:
        missing = [name for name in ("book_id", "user_id") if not getattr(request, name)]
        problems = [(name, "must be set, or loan_id") for name in missing]
    if problems:
        raise FieldInvalid(*problems)


def return_book(store: Store, request: ReturnBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Take a copy back, in any state of its book and its user. Raises `LoanNotFound` and `LoanReturned`."""
    check_return(request)

    def take_back(alone: bool) -> loan_pb2.Loan:
        loan = _named_loan(store, request)
        changes = Changes(clock(), alone=alone)
        policy = current_policy(rules)
        close_loan(loan, policy, max(changes.time, loan.borrow_time), changes)
        changes.write()
        return shown_loan(loan, policy, changes.time)

    with readable("loan", request.loan_id):
        return done_once(store, request, loan_pb2.Loan, take_back, clock)


def _named_loan(store: Store, request: ReturnBookRequest) -> Loan:
    """Return the locked open loan that a request names: of a book and its user the oldest one."""
    if request.loan_id:
        loan = locked_loan(store, Loan.id == request.loan_id)
        if loan is None:
            raise LoanNotFound(loan_id=request.loan_id)
        if loan.return_time is not None:
            raise LoanReturned(loan_id=loan.id, return_time=rfc3339(loan.return_time))
        return loan
    loan = oldest_open_loan(store, Loan.user_id == request.user_id, Loan.book_id == request.book_id)
    if loan is None:
        raise NoOpenLoan(book_id=request.book_id, user_id=request.user_id)
    return loan


def check_in(store: Store, request: CheckInRequest, rules: LendingRules, clock: Clock) -> CheckInResponse:
    """Take an item back, in any state. An item that was not out is not an error. Raises `BarcodeNotFound`."""
    check_item(request)
    barcode = normalized_barcode(request.barcode)

    def take_back(alone: bool) -> CheckInResponse:
        return _check_in(store, barcode, request, rules, clock, alone=alone)

    with readable("item", barcode):
        return done_once(store, request, CheckInResponse, take_back, clock)


def _check_in(
    store: Store, barcode: str, request: CheckInRequest, rules: LendingRules, clock: Clock, *, alone: bool
) -> CheckInResponse:
    item = find_item(barcode)
    if item is None:
        raise BarcodeNotFound(barcode=barcode)
    loan = open_loan_of_item(store, item.id)
    changes = Changes(clock(), request.staff, alone)
    return_time = _return_time(request, loan, changes.time)
    answer = CheckInResponse(was_out=loan is not None)
    if loan is None:
        _put_back(store, item, changes)
    else:
        policy = current_policy(rules)
        fine = close_loan(loan, policy, return_time, changes)
        answer.loan.CopyFrom(shown_loan(loan, policy, changes.time))
        if fine.nanos:
            set_amount(answer.fine, *fine)
    changes.write()
    answer.item.CopyFrom(item_message(item.id))
    answer.outcome, why = _outcome(item, request.branch)
    answer.message = why if answer.was_out else f"It was not out. {why}"
    return answer


def _return_time(request: CheckInRequest, loan: Loan | None, now: int) -> int:
    """Return when an item came back. Raises `FieldInvalid` for a time after now or before the loan."""
    if not request.HasField("return_time"):
        return max(now, loan.borrow_time) if loan else now
    return_time = micros(request.return_time)
    if return_time > now:
        raise FieldInvalid(("return_time", "must not be in the future"))
    if loan and return_time < loan.borrow_time:
        raise FieldInvalid(("return_time", f"must not be before the loan, which began at {rfc3339(loan.borrow_time)}"))
    return return_time


def _put_back(store: Store, item: ItemFacts, changes: Changes) -> None:
    """Note that an item was not out, and correct its place if it was wrong."""
    lock_book(store, item.book_id)
    if not is_open_loan_of_item(item.id):  # otherwise it was lent while this transaction waited
        put_on_shelf(item.book_id, item.id, alone=changes.alone)
    changes.item_event(HISTORY_EVENT_CHECK_IN_NOT_OUT, item.id, item.book_id)


def close_loan(loan: Loan, policy: Policy, return_time: int, changes: Changes) -> Fine:
    """End an open loan whose row is locked, and return its fine."""
    take_back_copy(loan.book_id, loan.item_id, alone=changes.alone)
    DECREMENT_LOAN_COUNT.rows(user_id=loan.user_id)
    # After the user is locked: the fines of other loans that come back at the same time count for the user's limit.
    fine = fine_of(loan, policy, return_time)
    loan.return_time, loan.checkin_time = return_time, changes.time
    loan.fine_currency, loan.fine_nanos = fine
    Loan.update(
        return_time=return_time, checkin_time=changes.time, fine_nanos=fine.nanos, fine_currency=fine.currency
    ).where(Loan.id == loan.id).execute()
    changes.loan(loan.id)
    branch = policy.branch_of_loan(loan.branch, loan.time_zone)
    changes.event(HISTORY_EVENT_CHECK_IN, loan, f"returned {branch.date_of(return_time)}")
    return fine


def _outcome(item: ItemFacts, branch: str) -> tuple[CheckInOutcome.ValueType, str]:
    """Return what to do with an item that came back to a branch, and a sentence for people."""
    if item.state != ITEM_STATE_IN_SERVICE:
        state = STATES_IN_WORDS.get(item.state, "in a state that this version does not know")
        return CHECK_IN_OUTCOME_ASIDE, f"Put it aside: it is {state}."
    if branch and branch != item.branch:
        return CHECK_IN_OUTCOME_ASIDE, f"Put it aside: it belongs to the branch {item.branch}."
    book = book_facts(item.book_id)
    if book is None or book.state != BOOK_STATE_ACTIVE:
        return CHECK_IN_OUTCOME_ASIDE, "Put it aside: its book does not circulate."
    return CHECK_IN_OUTCOME_SHELVE, "Put it on its shelf."
