"""Roles and API tokens as messages: for the sync, and for admins."""

from __future__ import annotations

import json
from typing import Any

from admin_server.store.models import ApiToken, StaffRole
from library.access.v1.access_pb2 import Role
from library.v1 import staff_pb2
from service_kit.clock import timestamp, timestamp_if_set
from service_kit.salvage import NO_TIME, shown_id

ROLE_COLUMNS = (StaffRole.user_id, StaffRole.role, StaffRole.override_reasons, StaffRole.update_time)
FEED_TOKEN_COLUMNS = (
    *(ApiToken.id, ApiToken.display_name, ApiToken.role, ApiToken.scopes, ApiToken.secret_hash),
    *(ApiToken.create_time, ApiToken.expire_time, ApiToken.revoke_time),
)
"""Without the last use, which is not a change of the token."""

TOKEN_COLUMNS = (*FEED_TOKEN_COLUMNS, ApiToken.last_use_time)


def role_of(user_id: str, role: int, override_reasons: str, update_time: int) -> staff_pb2.StaffRole:
    """Return a role from the values of `ROLE_COLUMNS`."""
    return staff_pb2.StaffRole(
        user_id=user_id,
        role=Role.ValueType(role),
        override_reasons=texts(override_reasons),
        update_time=timestamp(update_time),
    )


def role_message(row: StaffRole) -> staff_pb2.StaffRole:
    """Return a role as admins see it."""
    return role_of(row.user_id, row.role, row.override_reasons, row.update_time)


def token_of(
    token_id: str,
    display_name: str,
    role: int,
    scopes: str,
    secret_hash: str,
    create_time: int,
    expire_time: int,
    revoke_time: int,
    last_use_time: int = 0,
) -> staff_pb2.ApiToken:
    """Return an API token, with the hash of its secret, from the values of `TOKEN_COLUMNS` or `FEED_TOKEN_COLUMNS`."""
    return staff_pb2.ApiToken(
        id=token_id,
        display_name=display_name,
        role=Role.ValueType(role),
        scopes=texts(scopes),
        secret_hash=secret_hash,
        create_time=timestamp(create_time),
        expire_time=timestamp_if_set(expire_time),
        revoke_time=timestamp_if_set(revoke_time),
        last_use_time=timestamp_if_set(last_use_time),
    )


def token_message(row: ApiToken) -> staff_pb2.ApiToken:
    """Return an API token as admins see it: without the hash of its secret."""
    token = token_of(*(getattr(row, column.name) for column in TOKEN_COLUMNS))
    token.ClearField("secret_hash")
    return token


def salvaged_role(user_id: Any) -> staff_pb2.StaffRole:
    """Return what can be sent of a damaged role. At the frontend, the user is a patron until the row is readable."""
    return staff_pb2.StaffRole(user_id=shown_id(user_id), update_time=NO_TIME)


def salvaged_token(token_id: Any) -> staff_pb2.ApiToken:
    """Return what can be sent of a damaged API token. The frontend refuses the token until the row is readable."""
    return staff_pb2.ApiToken(id=shown_id(token_id), create_time=NO_TIME)


def texts(stored: str) -> list[str]:
    """Read a stored list of texts. Raises ValueError for a damaged one."""
    found = json.loads(stored)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("not a list of texts")
    return found
