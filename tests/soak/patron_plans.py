"""What patrons ask for: enrolment, their own data, books to borrow, renew and return."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from library.frontend.v1 import lending_service_pb2, member_service_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE, User
from tests.soak.desk import WORDS, Check, Desk, Plan, is_as, may_have_borrowed
from tests.soak.ledger import Known, is_open
from tests.soak.library import LOAN_LIMIT

USERS = 6
"""How many active users a caller has at most."""

RENEWALS, DAYS = 3, 365
"""What a loan may have at most."""


def user_refusals(user: Known) -> set[str]:
    """Why a user may neither borrow nor renew. A random value may have set the end of the membership."""
    refusals = set() if user.is_settled else {"USER_CLOSED", "USER_BLOCKED", "MEMBERSHIP_EXPIRED"}
    if user.last.blocks:
        refusals.add("USER_BLOCKED")
    if user.last.HasField("expire_time"):
        refusals.add("MEMBERSHIP_EXPIRED")
    return refusals


def enroll(desk: Desk) -> Plan | None:
    active = [user for user in desk.ledger.users.values() if user.last.state == USER_STATE_ACTIVE and user.is_settled]
    addresses = [user.last.email for user in active if user.last.email]
    if addresses and desk.chance.random() < 0.15:
        taken = desk.chance.choice(addresses).upper()
        request = member_service_pb2.EnrollUserRequest(email=taken, first_name="Another")
        return Plan([request], makes=True, refusals=frozenset({"EMAIL_TAKEN"}), must_be_refused=True)
    if len(active) >= USERS:
        return None
    email = f"{desk.new_id()}@example.org"
    return Plan(
        [member_service_pb2.EnrollUserRequest(email=email, first_name=desk.chance.choice(WORDS), last_name="Patron")],
        makes=True,
        check=lambda user: "" if user.email == email else f"enrolled {user.email} for {email}",
    )


def update_user(desk: Desk) -> Plan | None:
    entry = desk.user()
    if entry is None:
        return None
    user = User(id=entry.last.id)
    path = desk.chance.choice(["first_name", "last_name", "email"])
    value = f"{desk.new_id()}@example.org" if path == "email" else f"{desk.chance.choice(WORDS)} {desk.new_id()[:6]}"
    setattr(user, path, value)
    refusals: frozenset[str] = frozenset()
    wrong = desk.chance.random() < 0.1
    if wrong:
        user.etag, refusals = "1-1", frozenset({"ETAG_MISMATCH"})
    elif desk.chance.random() < 0.3:
        user.etag = entry.last.etag
    return Plan(
        [member_service_pb2.UpdateUserRequest(user=user, update_mask=FieldMask(paths=[path]))],
        about=entry,
        refusals=refusals,
        must_be_refused=wrong,
        check=lambda answer: "" if getattr(answer, path) == value else f"{path} is not {value}: {answer}",
    )


def close_user(desk: Desk) -> Plan | None:
    entry = desk.user()
    if entry is None or len(desk.ledger.users) < 3:
        return None
    loans = desk.ledger.open_loans_of(entry.last.id)
    borrows = bool(loans) or may_have_borrowed(desk, entry.last.id)
    return Plan(
        [member_service_pb2.CloseUserRequest(id=entry.last.id)],
        about=entry,
        refusals=frozenset({"USER_HAS_LOANS"}) if borrows else frozenset(),
        must_be_refused=any(loan.is_settled for loan in loans),
    )


def get_user(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.users)
    return (
        None if entry is None else Plan([member_service_pb2.GetUserRequest(id=entry.last.id)], check=is_as(entry.last))
    )


def borrow(desk: Desk) -> Plan | None:
    user = desk.user()
    own = desk.own_book() if desk.chance.random() < 0.2 else None
    book = own.last if own else desk.chance.choice(desk.shared)
    if user is None:
        return None
    out = len(desk.ledger.open_loans_of(user.last.id))
    refusals = {"NO_COPY_AVAILABLE", "BOOK_UNAVAILABLE"} | ({"BOOK_NOT_FOUND", "BOOK_REMOVED"} if own else set())
    refusals |= user_refusals(user)
    if out >= LOAN_LIMIT or may_have_borrowed(desk, user.last.id):
        refusals.add("LOAN_LIMIT_REACHED")
    request = lending_service_pb2.BorrowBookRequest(
        book_id=book.id, user_id=user.last.id, days=desk.chance.randint(1, 100)
    )

    def check(loan: Any) -> str:
        asked = (request.book_id, request.user_id, request.days)
        return "" if (loan.book_id, loan.user_id, loan.days) == asked else f"lent {loan} for {request}"

    full = sum(loan.is_settled for loan in desk.ledger.open_loans_of(user.last.id)) >= LOAN_LIMIT
    must_be_refused = full or bool(user.last.blocks)
    return Plan([request], makes=True, refusals=frozenset(refusals), must_be_refused=must_be_refused, check=check)


def give_back(desk: Desk) -> Plan | None:
    if desk.chance.random() < 0.1:
        entry = desk.some(desk.ledger.loans, lambda loan: not is_open(loan))
        refusals = frozenset({"LOAN_RETURNED"})
    else:
        entry, refusals = desk.some(desk.ledger.loans, is_open), frozenset()
    return (
        None
        if entry is None
        else Plan(
            [lending_service_pb2.ReturnBookRequest(loan_id=entry.last.id)],
            about=entry,
            refusals=refusals,
            must_be_refused=bool(refusals),
            check=lambda loan: "" if loan.HasField("return_time") else f"returned, and is out: {loan}",
        )
    )


def renewal(desk: Desk, loan: Any, more: int) -> tuple[frozenset[str], bool, Check]:
    """Why the renewal of a loan may be refused, whether it must be, and the check of the renewed loan."""
    refused = loan.renewal_count >= RENEWALS or loan.days + more > DAYS
    user = desk.ledger.users[loan.user_id]
    refusals = user_refusals(user) | ({"RENEWAL_LIMIT_REACHED"} if refused else set())
    expected = (loan.days + more, loan.renewal_count + 1)
    is_blocked = user.is_settled and bool(user.last.blocks)

    def check(now: Any) -> str:
        return "" if (now.days, now.renewal_count) == expected else f"not renewed by {more}: {now}"

    return frozenset(refusals), refused or is_blocked, check


def renew(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans, is_open)
    if entry is None:
        return None
    more = desk.chance.randint(1, 60)
    refusals, must_be_refused, check = renewal(desk, entry.last, more)
    return Plan(
        [lending_service_pb2.RenewLoanRequest(loan_id=entry.last.id, days=more)],
        about=entry,
        refusals=refusals,
        must_be_refused=must_be_refused,
        check=check,
    )


def get_loan(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans)
    if entry is None:
        return None
    return Plan([lending_service_pb2.GetLoanRequest(id=entry.last.id)], check=is_as(entry.last))
