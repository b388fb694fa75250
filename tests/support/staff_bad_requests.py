"""Requests to StaffService with every problem that they can have: `STAFF_CASES`."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from library.access.v1.access_pb2 import ROLE_MANAGER, ROLE_SERVICE
from library.admin.v1 import staff_service_pb2 as staff

STAFF = "library.admin.v1.StaffService"
BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}

STAFF_CASES: list[tuple[str, Message, set[str]]] = [
    (
        f"{STAFF}/GrantRole",
        staff.GrantRoleRequest(
            user_id="7", role=ROLE_SERVICE, override_reasons=["LOAN_LIMIT_REACHED", "USER_CLOSED"], request_id="8"
        ),
        {"user_id", "role", "override_reasons[1]", "override_reasons", "request_id"},
    ),
    (
        f"{STAFF}/GrantRole",
        staff.GrantRoleRequest(role=ROLE_MANAGER, override_reasons=["LOAN_LIMIT_REACHED"]),
        {"user_id", "override_reasons"},
    ),
    (f"{STAFF}/ListStaffRoles", staff.ListStaffRolesRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{STAFF}/CreateApiToken",
        staff.CreateApiTokenRequest(
            display_name="\u200b", role=ROLE_SERVICE, scopes=["", "x"], expire_time=Timestamp(nanos=-1)
        ),
        {"display_name", "role", "scopes[0]", "scopes[1]", "expire_time"},
    ),
    (f"{STAFF}/CreateApiToken", staff.CreateApiTokenRequest(scopes=["x"]), {"display_name", "role", "scopes[0]"}),
    (f"{STAFF}/ListApiTokens", staff.ListApiTokensRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (f"{STAFF}/RevokeApiToken", staff.RevokeApiTokenRequest(id="7", request_id="8"), {"id", "request_id"}),
    (f"{STAFF}/ListAuditEntries", staff.ListAuditEntriesRequest(caller_user_id="7"), {"caller_user_id"}),
]
