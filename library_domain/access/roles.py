"""The roles that users and programs can have."""

from __future__ import annotations

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON, Role

STAFF_ROLES = (ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_ADMIN)
USER_ROLES = (ROLE_PATRON, *STAFF_ROLES)
PROGRAM_ROLES = (ROLE_GUEST, *STAFF_ROLES)
"""The roles of API tokens. A program has no user, so it is not a patron."""

_USER_ROLES = {int(role): role for role in USER_ROLES}


def effective_role(stored: object) -> Role.ValueType:
    """Return the role of a user for whom this role is stored. None, or a role that is not known here, is a patron's."""
    return _USER_ROLES.get(stored, ROLE_PATRON) if isinstance(stored, int) else ROLE_PATRON


def role_named(name: str) -> Role.ValueType:
    """Return the role with a name, such as `librarian`. Raises `ValueError`."""
    return Role.Value(f"ROLE_{name.upper()}")


def role_name(role: int) -> str:
    """Return the name of a role, such as `librarian`; its number if this version does not know it."""
    return Role.Name(Role.ValueType(role)).removeprefix("ROLE_").lower() if role in Role.values() else str(role)
