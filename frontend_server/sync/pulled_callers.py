"""The replicas of what the admin decides about callers: roles of the staff, and API tokens.

A row whose newest version cannot be applied is deleted, as it can be a role or a token that was revoked: the user is a
patron, and the token is refused, until a version can be applied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from frontend_server.access.pins import remove_pins
from frontend_server.store.models import ApiToken, CallerColumns, StaffRole
from frontend_server.sync.pulled_kind import AfterCommit, PulledKind, Row, upsert_newest
from frontend_server.sync.trials import Trials
from library.access.v1.access_pb2 import ROLE_PATRON
from library.v1 import staff_pb2
from library_domain.access.roles import PROGRAM_ROLES, USER_ROLES
from service_kit.ids import UUID
from service_kit.store import Store

_HASH = re.compile("[0-9a-f]{64}")


class PulledCallers(PulledKind):
    """Rows of which this store has the message alone."""

    model: ClassVar[type[CallerColumns]]

    def columns(self, message: Any) -> Row:
        """Return nothing: the guard reads the message."""
        return {}

    def write_all_derived(self, trials: Trials | None = None) -> None:
        """Do nothing: the guard asks the store again within seconds."""

    def restrict_older(self, message: Any, trials: Trials, trial: str) -> None:
        """Delete the older version."""
        delete = self.model.delete().where(self.model.id == self.id_of(message))
        trials.run(trial, delete.execute)


class PulledRoles(PulledCallers):
    """Roles of the staff. A revoked one stays, as a patron's."""

    name = "staff_role"
    model = StaffRole
    upsert = upsert_newest(StaffRole, ())
    salvaged_fields = ("user_id",)

    def id_of(self, role: staff_pb2.StaffRole) -> str:
        """Return the id of the user."""
        return role.user_id

    def problems(self, role: staff_pb2.StaffRole) -> list[str]:
        """Return what is wrong with a role."""
        found = [] if UUID.fullmatch(role.user_id) else ["the id of the user is not a UUID"]
        if role.role not in USER_ROLES:
            found.append(f"a user cannot have the role {role.role} here")
        return found

    def write_derived(self, store: Store, rows: Sequence[Row]) -> AfterCommit:
        """Remove the PINs of the staff."""
        roles = [staff_pb2.StaffRole.FromString(row["message"]) for row in rows]
        remove_pins({role.user_id for role in roles if role.role > ROLE_PATRON})
        return super().write_derived(store, rows)


class PulledTokens(PulledCallers):
    """API tokens. A revoked one stays, with the time."""

    name = "api_token"
    model = ApiToken
    upsert = upsert_newest(ApiToken, ())

    def problems(self, token: staff_pb2.ApiToken) -> list[str]:
        """Return what is wrong with a token."""
        found = [] if UUID.fullmatch(token.id) else ["the id is not a UUID"]
        if token.role not in PROGRAM_ROLES:
            found.append(f"an API token cannot have the role {token.role} here")
        if not _HASH.fullmatch(token.secret_hash):
            found.append("secret_hash is not a SHA-256")
        return found
