"""Who a caller is, for the caller."""

from __future__ import annotations

from library.access.v1 import access_service_pb2 as pb
from library_domain.access.callers import Caller
from service_kit.clock import timestamp


def identity(caller: Caller) -> pb.Identity:
    """Return a caller as a message. In the mode `open`, every caller is an admin without a name."""
    answer = pb.Identity(
        role=caller.role,
        user_id=caller.user_id,
        display_name=caller.display_name,
        session_id=caller.credential_id if caller.user_id else "",
        override_reasons=sorted(caller.override_reasons),
        scopes=caller.scopes,
    )
    if caller.expire_time:
        answer.expire_time.CopyFrom(timestamp(caller.expire_time))
    return answer
