"""Whether an account can be changed or closed: pure functions of facts, without a store or a clock."""

from __future__ import annotations

from dataclasses import dataclass

from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.errors import UserClosed, UserEtagMismatch, UserHasLoans
from service_kit.errors import ServiceError


@dataclass(frozen=True)
class AccountFacts:
    """The facts on which changing or closing an account depends."""

    user_id: str
    state: int
    active_loan_count: int
    etag: str


def change_refusals(account: AccountFacts, etag: str) -> list[ServiceError]:
    """Return why the account cannot be changed. An empty etag matches every version."""
    refusals: list[ServiceError] = []
    if account.state == USER_STATE_CLOSED:
        refusals.append(UserClosed(user_id=account.user_id))
    return refusals + _version_refusals(account, etag)


def closing_refusals(account: AccountFacts, etag: str) -> list[ServiceError]:
    """Return why the account cannot be closed. An empty etag matches every version."""
    refusals = _version_refusals(account, etag)
    if account.active_loan_count:
        refusals.append(UserHasLoans(user_id=account.user_id, active_loan_count=account.active_loan_count))
    return refusals


def _version_refusals(account: AccountFacts, etag: str) -> list[ServiceError]:
    return [UserEtagMismatch(user_id=account.user_id)] if etag and etag != account.etag else []
