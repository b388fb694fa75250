"""What callers ask of AccessService: they find out who they are, and fail to sign in, so that no user is changed."""

from __future__ import annotations

from collections.abc import Callable

from library.access.v1 import access_service_pb2 as pb
from tests.soak.desk import Desk, Plan
from tests.soak.sending import THROTTLED

FAILED = frozenset({"SIGN_IN_FAILED", THROTTLED})
"""All callers have one address, so most of them have to wait."""


def create_session(desk: Desk) -> Plan:
    return _refused(pb.CreateSessionRequest(name=f"nobody{desk.chance.randrange(50)}", secret=desk.new_id()), FAILED)


def create_provider_session(desk: Desk) -> Plan:
    request = pb.CreateProviderSessionRequest(id_token=desk.new_id(), nonce=desk.new_id())
    return _refused(request, frozenset({"PROVIDER_NOT_SET_UP"}))


def refresh_session(desk: Desk) -> Plan:
    return _refused(pb.RefreshSessionRequest(refresh_token=_token(desk)), frozenset({"SESSION_ENDED"}))


def end_session(desk: Desk) -> Plan:
    return Plan([pb.EndSessionRequest(refresh_token=_token(desk))])


def set_password(desk: Desk) -> Plan:
    request = pb.SetPasswordRequest(name=desk.new_id(), proof=desk.new_id(), new_secret=desk.new_id())
    return _refused(request, FAILED)


def create_reset_code(desk: Desk) -> Plan:
    entry = desk.user()
    user_id = entry.last.id if entry else desk.new_id()
    # The user may be closed or erased by a call whose outcome is not known yet.
    return Plan([pb.CreateResetCodeRequest(user_id=user_id)], refusals=frozenset({"USER_NOT_FOUND", "USER_CLOSED"}))


def end_user_sessions(desk: Desk) -> Plan:
    entry = desk.user()
    user_id = entry.last.id if entry else desk.new_id()
    return Plan([pb.EndUserSessionsRequest(user_id=user_id)], refusals=frozenset({"USER_NOT_FOUND"}))


def _token(desk: Desk) -> str:
    return f"{desk.new_id().replace('-', '')}.{'A' * 43}"


def _refused(request: object, refusals: frozenset[str]) -> Plan:
    return Plan([request], refusals=refusals, must_be_refused=True)


ACCESS_PLANS: dict[str, Callable[[Desk], Plan | None]] = {
    "CreateSession": create_session,
    "CreateProviderSession": create_provider_session,
    "RefreshSession": refresh_session,
    "EndSession": end_session,
    "WhoAmI": lambda desk: Plan([pb.WhoAmIRequest()]),
    "SetPassword": set_password,
    "CreateResetCode": create_reset_code,
    "EndUserSessions": end_user_sessions,
    "ListSigningKeys": lambda desk: Plan([pb.ListSigningKeysRequest()]),
    "GetSignInOptions": lambda desk: Plan([pb.GetSignInOptionsRequest()]),
}
