"""Users who borrow: the count of their loans, and the facts on which a refusal depends."""

from __future__ import annotations

from frontend_server.circulation.eligibility import BorrowerFacts
from frontend_server.store.models import User
from library.v1.user_pb2 import USER_STATE_ACTIVE
from service_kit.statements import Statement, param

INCREMENT_LOAN_COUNT = Statement(
    User.update(active_loan_count=User.active_loan_count + 1)
    .where(User.id == param("user_id"), User.state == USER_STATE_ACTIVE, User.active_loan_count < param("loan_limit"))
    .returning(User.key)
)
DECREMENT_LOAN_COUNT = Statement(
    User.update(active_loan_count=User.active_loan_count - 1)
    .where(User.id == param("user_id"), User.active_loan_count > 0)
)  # fmt: skip
FIND_FACTS = Statement(User.select(User.state, User.active_loan_count).where(User.id == param("user_id")))
# It changes nothing, but locks the row, so what it returns stays true until the transaction ends.
LOCK_USER = Statement(
    User.update(active_loan_count=User.active_loan_count)
    .where(User.id == param("user_id"))
    .returning(User.state, User.active_loan_count)
)


def borrower_facts(user_id: str) -> BorrowerFacts | None:
    """Return the facts of a user; None for an unknown one."""
    row = FIND_FACTS.row(user_id=user_id)
    return BorrowerFacts(*row) if row else None


def locked_borrower_facts(user_id: str) -> BorrowerFacts | None:
    """Lock the user's row until the transaction ends, and return its facts; None for an unknown user."""
    row = LOCK_USER.row(user_id=user_id)
    return BorrowerFacts(*row) if row else None
