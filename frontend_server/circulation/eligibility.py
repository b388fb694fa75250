"""Who may borrow and renew."""

from __future__ import annotations

from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import UserClosed, UserNotActive
from service_kit.errors import ServiceError


def refusal_by_state(user_id: str, state: int) -> ServiceError | None:
    """Return why a user in this state may not borrow or renew; None for one who may."""
    if state == USER_STATE_ACTIVE:
        return None
    if state == USER_STATE_CLOSED:
        return UserClosed(user_id=user_id)
    return UserNotActive(user_id=user_id, state=state)
