"""Who a caller is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, Role

EACH = frozenset({"*"})
"""In place of reasons: each refusal that can be overridden."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller, as the token of its call proves."""

    role: Role.ValueType
    user_id: str = ""
    """Empty for a guest and for a program."""
    display_name: str = ""
    """The name of the user or of the API token; empty for a guest."""
    credential_id: str = ""
    """The id of the session or of the API token; empty for a guest."""
    override_reasons: frozenset[str] = frozenset()
    """The refusals that the caller may override at the desk, or `EACH`."""
    scopes: tuple[str, ...] = ()
    """The services or methods that the caller is limited to; empty if there is no limit."""
    expire_time: int = 0
    """Until when the token is valid, in microseconds since 1970; 0 if it does not expire."""


GUEST = Caller(ROLE_GUEST)
ANYBODY = Caller(ROLE_ADMIN, override_reasons=EACH)
"""Every caller in the mode `open`."""

_ATTRIBUTE = "_library_caller"


def set_caller(context: grpc.ServicerContext, caller: Caller) -> None:
    """Note who makes a call. The guard does."""
    setattr(context, _ATTRIBUTE, caller)


def caller_of(context: grpc.ServicerContext) -> Caller:
    """Return who makes a call: `ANYBODY` where no guard has asked."""
    found: Any = getattr(context, _ATTRIBUTE, ANYBODY)
    return found if isinstance(found, Caller) else ANYBODY
