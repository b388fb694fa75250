"""Who may act on the account of a member of the staff.

Otherwise a librarian could close the account of an admin, or take it over: by a reset code, or by an e-mail address
with which an OpenID provider signs the librarian in.
"""

from __future__ import annotations

from frontend_server.access.accounts import role_of
from library.access.v1.access_pb2 import ROLE_ADMIN, Role
from library_domain.access.callers import Caller
from library_domain.access.errors import RoleRequired
from library_domain.access.roles import role_name


def is_below(role: Role.ValueType, actor: Role.ValueType) -> bool:
    """Return whether one who has the role `actor` may act on the account of a user who has `role`."""
    return actor == ROLE_ADMIN or role < actor


def has_standing(caller: Caller, user_id: str, *, may_be_own: bool = False) -> bool:
    """Return within a transaction what `check_standing` checks."""
    if caller.role == ROLE_ADMIN or (may_be_own and caller.user_id == user_id):
        return True  # without a query: so is each call in the mode `open`
    return is_below(role_of(user_id), caller.role)


def check_standing(caller: Caller, user_id: str, *, may_be_own: bool = False) -> None:
    """Check within a transaction that the role of a user is below the caller's, unless the caller is an admin.

    Args:
        caller: Who acts.
        user_id: The user whose account is changed.
        may_be_own: Whether callers may also act on their own accounts.

    Raises:
        RoleRequired: The role of the user is not below.
    """
    if not has_standing(caller, user_id, may_be_own=may_be_own):
        role = role_of(user_id)
        required = Role.ValueType(min(role + 1, ROLE_ADMIN))
        raise RoleRequired(required_role=role_name(required), role=role_name(caller.role))
