"""library.access.v1.AccessService."""

from __future__ import annotations

import grpc

from frontend_server.access import reset_codes
from frontend_server.access.cleanup import Cleanup
from frontend_server.access.identity import identity
from frontend_server.access.keys import Signer, list_signing_keys
from frontend_server.access.passwords import Passwords
from frontend_server.access.provider import ProviderSignIn
from frontend_server.access.sessions import Sessions
from frontend_server.access.settings import AccessSettings
from frontend_server.access.sign_in import SignIn, check_set_password
from frontend_server.watched_clock import WatchedClock
from library.access.v1 import access_service_pb2 as pb
from library.access.v1 import access_service_pb2_grpc
from library_domain.access.callers import Caller, caller_of, set_caller
from library_domain.access.guard import AccessGuard
from service_kit.calls.addresses import client_address
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

ACCESS_SERVICE = pb.DESCRIPTOR.services_by_name["AccessService"]


# Those that compute hashes get threads of their own, so that a flood of them keeps no other call waiting.
@instrument_servicer(
    ACCESS_SERVICE,
    long_calls={"CreateSession", "CreateProviderSession", "SetPassword"},
    rules={"SetPassword": [check_set_password]},
)
class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """library.access.v1.AccessService."""

    guard: AccessGuard | None = None
    """Forgets users whose sessions have ended, so that this process refuses their tokens at once."""

    def __init__(self, store: Store, clock: WatchedClock, settings: AccessSettings) -> None:
        self._store, self._clock, self._settings = store, clock, settings
        self._sessions = Sessions(store, Signer(store, clock.now).sign, clock.now)
        self._sign_in = SignIn(store, Passwords(settings.hash_cost), self._sessions, clock.now)
        self._provider = ProviderSignIn(store, settings.provider, self._sign_in.open_session, clock.now)
        self._cleanup = Cleanup(store, clock.now)

    def CreateSession(self, request: pb.CreateSessionRequest, context: grpc.ServicerContext) -> pb.Session:
        try:
            return _noted(self._sign_in.create_session(request, client_address(context)), context)
        finally:
            self._cleanup.run_if_due()

    def CreateProviderSession(
        self, request: pb.CreateProviderSessionRequest, context: grpc.ServicerContext
    ) -> pb.Session:
        return _noted(self._provider.create_session(request), context)

    def RefreshSession(self, request: pb.RefreshSessionRequest, context: grpc.ServicerContext) -> pb.Session:
        return _noted(self._sessions.refresh(request.refresh_token), context)

    def EndSession(self, request: pb.EndSessionRequest, context: grpc.ServicerContext) -> pb.EndSessionResponse:
        if user_id := self._sessions.end(request.refresh_token):
            self._forget_user(user_id)
        return pb.EndSessionResponse()

    def WhoAmI(self, request: pb.WhoAmIRequest, context: grpc.ServicerContext) -> pb.Identity:
        return identity(caller_of(context))

    def SetPassword(self, request: pb.SetPasswordRequest, context: grpc.ServicerContext) -> pb.SetPasswordResponse:
        self._forget_user(self._sign_in.set_password(request, client_address(context)))
        return pb.SetPasswordResponse()

    def CreateResetCode(self, request: pb.CreateResetCodeRequest, context: grpc.ServicerContext) -> pb.ResetCode:
        return reset_codes.create_reset_code(self._store, request.user_id, caller_of(context), self._clock.now)

    def EndUserSessions(
        self, request: pb.EndUserSessionsRequest, context: grpc.ServicerContext
    ) -> pb.EndUserSessionsResponse:
        reset_codes.end_user_sessions(self._store, request.user_id, caller_of(context), self._clock.now)
        self._forget_user(request.user_id)
        return pb.EndUserSessionsResponse()

    def ListSigningKeys(
        self, request: pb.ListSigningKeysRequest, context: grpc.ServicerContext
    ) -> pb.ListSigningKeysResponse:
        return pb.ListSigningKeysResponse(keys=list_signing_keys(self._store, self._clock.now))

    def GetSignInOptions(self, request: pb.GetSignInOptionsRequest, context: grpc.ServicerContext) -> pb.SignInOptions:
        return pb.SignInOptions(token_mode=self._settings.token_mode, provider=self._provider.shown())

    def _forget_user(self, user_id: str) -> None:
        if self.guard is not None:
            self.guard.forget_user(user_id)


def _noted(session: pb.Session, context: grpc.ServicerContext) -> pb.Session:
    """Note the user as the caller: the guard saw a guest, and the audit log is to name who signed in."""
    set_caller(context, Caller(session.role, session.user_id, credential_id=session.id))
    return session
