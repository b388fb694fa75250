"""Requests to AccessService, and all that it refuses of their fields."""

from __future__ import annotations

from google.protobuf.message import Message

from library.access.v1 import access_service_pb2 as pb

ACCESS = "library.access.v1.AccessService"

ACCESS_CASES: list[tuple[str, Message, set[str]]] = [
    (f"{ACCESS}/CreateSession", pb.CreateSessionRequest(), {"name", "secret"}),
    (f"{ACCESS}/CreateSession", pb.CreateSessionRequest(name="x" * 255, secret="y" * 201), {"name", "secret"}),
    (f"{ACCESS}/CreateProviderSession", pb.CreateProviderSessionRequest(nonce="short"), {"id_token", "nonce"}),
    (f"{ACCESS}/RefreshSession", pb.RefreshSessionRequest(), {"refresh_token"}),
    (f"{ACCESS}/EndSession", pb.EndSessionRequest(refresh_token="x" * 201), {"refresh_token"}),
    (f"{ACCESS}/SetPassword", pb.SetPasswordRequest(new_secret="12345"), {"name", "proof", "new_secret"}),
    (f"{ACCESS}/SetPassword", pb.SetPasswordRequest(name="a", new_secret="123456"), {"proof", "new_secret"}),
    (f"{ACCESS}/SetPassword", pb.SetPasswordRequest(name="a", proof="b", new_secret="ninechars"), {"new_secret"}),
    (f"{ACCESS}/CreateResetCode", pb.CreateResetCodeRequest(user_id="7"), {"user_id"}),
    (f"{ACCESS}/EndUserSessions", pb.EndUserSessionsRequest(), {"user_id"}),
]

NOTHING_TO_GET_WRONG = {f"{ACCESS}/{name}" for name in ("WhoAmI", "ListSigningKeys", "GetSignInOptions")}
