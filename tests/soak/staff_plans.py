"""What admins ask for: roles and API tokens. In the mode `open`, in which the soak runs, they have no effect."""

from __future__ import annotations

from collections.abc import Callable

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_PATRON
from library.admin.v1 import staff_service_pb2 as staff
from tests.soak.desk import Desk, Plan

NO_GRANT = frozenset({"USER_NOT_FOUND", "USER_CLOSED", "LAST_ADMIN"})
"""A user may not have arrived at the admin yet."""


def grant_role(desk: Desk) -> Plan:
    user = desk.some(desk.ledger.users)
    request = staff.GrantRoleRequest(
        user_id=user.last.id if user else desk.new_id(),
        role=desk.chance.choice([ROLE_PATRON, ROLE_LIBRARIAN, ROLE_ADMIN]),
    )
    return Plan([request], refusals=NO_GRANT)


def create_api_token(desk: Desk) -> Plan:
    request = staff.CreateApiTokenRequest(display_name=f"Soak {desk.chance.randrange(200)}", role=ROLE_LIBRARIAN)
    return Plan([request], refusals=frozenset({"API_TOKEN_EXISTS"}))


def revoke_unknown_api_token(desk: Desk) -> Plan:
    request = staff.RevokeApiTokenRequest(id=desk.new_id())
    return Plan([request], refusals=frozenset({"API_TOKEN_NOT_FOUND"}), must_be_refused=True)


STAFF_PLANS: dict[str, Callable[[Desk], Plan | None]] = {
    "library.admin.v1.StaffService/GrantRole": grant_role,
    "library.admin.v1.StaffService/CreateApiToken": create_api_token,
    "library.admin.v1.StaffService/RevokeApiToken": revoke_unknown_api_token,
}
"""By method: all but the lists."""
