"""Users who borrow: the count of their loans, and the facts on which a refusal depends."""

from __future__ import annotations

from typing import Any

from frontend_server.circulation.eligibility import BorrowerFacts
from frontend_server.store.models import Loan, User
from library.v1.user_pb2 import USER_STATE_ACTIVE
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.unreadable import readable

FACTS = (
    *(User.id, User.state, User.active_loan_count),
    *(User.user_category, User.expire_time, User.blocked_until),
)
CAN_HAVE_ONE_MORE = (User.state == USER_STATE_ACTIVE) & (User.active_loan_count < param("loan_limit"))
INCREMENT = User.update(active_loan_count=User.active_loan_count + 1)
INCREMENT_LOAN_COUNT = Statement(INCREMENT.where(User.id == param("user_id"), CAN_HAVE_ONE_MORE).returning(*FACTS))
INCREMENT_LOAN_COUNT_OF_CARD = Statement(
    INCREMENT.where(User.card_number == param("card_number"), CAN_HAVE_ONE_MORE).returning(*FACTS)
)
ADD_LOAN = Statement(INCREMENT.where(User.id == param("user_id")))
DECREMENT_LOAN_COUNT = Statement(
    User.update(active_loan_count=User.active_loan_count - 1)
    .where(User.id == param("user_id"), User.active_loan_count > 0)
)  # fmt: skip
OPEN_TYPES = Statement(Loan.select(Loan.item_type).where(Loan.user_id == param("user_id"), Loan.return_time.is_null()))


def counted_borrower(user_id: str, card_number: str, loan_limit: int) -> BorrowerFacts | None:
    """Count one more loan of an active user, found by id or by card, who has fewer than the limit.

    Returns the facts as they were before; None if nothing was counted, or if the row is damaged.
    """
    if card_number:
        row = INCREMENT_LOAN_COUNT_OF_CARD.row(card_number=card_number, loan_limit=loan_limit)
    else:
        row = INCREMENT_LOAN_COUNT.row(user_id=user_id, loan_limit=loan_limit)
    if row is None:
        return None
    found_id, state, count, *rest = row
    facts = BorrowerFacts(found_id, state, count - 1, *rest)
    return facts if _has_numbers(facts) else None


def borrower_id(user_id: str, card_number: str) -> str:
    """Return the id of a user that is asked for by id or by card; an empty text for an unknown card."""
    if not card_number:
        return user_id
    rows = tuples(User.select(User.id).where(User.card_number == card_number))
    return str(rows[0][0]) if rows else ""


def lock_users(store: Store, *user_ids: str) -> None:
    """Lock the rows of users until the transaction ends. Before several ones, its caller locks `sync_state`."""
    if store.is_postgresql:
        for user_id in sorted(set(user_ids)):
            list(store.locking(User.select(User.key).where(User.id == user_id)).tuples())


def borrower_facts(user_id: str) -> BorrowerFacts | None:
    """Return the facts of a user; None for an unknown one. Raises `RowUnreadable`."""
    with readable("user", user_id):
        rows = tuples(User.select(*FACTS).where(User.id == user_id))
        return _checked(rows[0]) if rows else None


def _checked(row: tuple[Any, ...]) -> BorrowerFacts:
    facts = BorrowerFacts(*row)
    if not _has_numbers(facts):
        raise TypeError("a column of the user is not a number")
    return facts


def _has_numbers(facts: BorrowerFacts) -> bool:
    """Return whether the numbers of a user are numbers: SQLite stores any value in any column."""
    numbers = (facts.state, facts.active_loan_count, facts.blocked_until, facts.expire_time or 0)
    return all(isinstance(number, int) for number in numbers)


def loans_of_type(user_id: str, type_key: str) -> int:
    """Return how many open loans of items of a type the user has; of any type for an empty one."""
    types = [item_type for (item_type,) in OPEN_TYPES.rows(user_id=user_id)]
    return len(types) if not type_key else sum(text_key(item_type) == type_key for item_type in types)
