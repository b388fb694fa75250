"""Checks again, within the transaction of a change, that the caller is an admin.

The guard keeps a caller's role for some seconds. Without this check, an admin whose role was just revoked could grant
it again, or revoke that of the other one.
"""

from __future__ import annotations

from admin_server.store.models import ApiToken, StaffRole
from library.access.v1.access_pb2 import ROLE_ADMIN
from library_domain.access.callers import Caller
from library_domain.access.errors import RoleRequired
from library_domain.access.roles import effective_role, role_name
from service_kit.statements import tuples


def check_still_admin(caller: Caller, now: int) -> None:
    """Raise `RoleRequired` if the caller is not an admin any more. In the mode `open` there is nothing to check."""
    if caller.user_id:
        found = tuples(StaffRole.select(StaffRole.role).where(StaffRole.user_id == caller.user_id))
        role = effective_role(found[0][0] if found else None)
    elif caller.credential_id:
        is_valid = (ApiToken.revoke_time == 0) & ((ApiToken.expire_time == 0) | (ApiToken.expire_time > now))
        found = tuples(ApiToken.select(ApiToken.role).where(ApiToken.id == caller.credential_id, is_valid))
        role = effective_role(found[0][0] if found else None)
    else:
        return
    if role != ROLE_ADMIN:
        raise RoleRequired(required_role=role_name(ROLE_ADMIN), role=role_name(role))
