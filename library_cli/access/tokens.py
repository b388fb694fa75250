"""The token that is sent with each call: that of --token, of the context, or of its session, which is kept fresh."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import click
import grpc

from library.access.v1 import access_service_pb2
from library.access.v1.access_service_pb2 import RefreshSessionRequest
from library.access.v1.access_service_pb2_grpc import AccessServiceStub
from library_cli.access.chosen import chosen
from library_cli.access.contexts import Context, ContextsUnreadable, Session, changing_contexts
from library_cli.dialing import dial
from library_cli.grpc_errors import CallFailed, explain, reason_of

Token = Callable[[], str]
"""Returns a token that is valid now; empty for none."""

ANSWER_SECONDS = 10.0

EARLY_SECONDS = 60.0
"""A session is refreshed this long before its token expires, as clocks differ and calls wait for their turn."""

ENDED = "Your session has ended. Sign in again with: library login"


def token_for(target: str) -> Token | None:
    """Return the token for calls to a target; None for none.

    A token of the context goes to the targets of the context only, so that no other server gets it.
    """
    choice = chosen()
    if choice.token:
        return lambda: choice.token
    context = choice.context()
    if not context.is_at(target):
        return None
    if context.token:
        return lambda: context.token
    return SessionToken(choice.name, context) if context.session else None


def refreshed_token_for(target: str) -> Token | None:
    """Return the token for calls to a target, refreshed, so that its problem is the first one that a user sees.

    Raises CallFailed.
    """
    token = token_for(target)
    if isinstance(token, SessionToken) and not token.refresh():
        click.echo(ENDED, err=True)
    return token


def saved(session: access_service_pb2.Session) -> Session:
    """Return a session as it is saved."""
    return Session(
        session.user_id,
        session.access_token,
        session.access_expire_time.ToNanoseconds() / 1e9,
        session.refresh_token,
        session.refresh_expire_time.ToNanoseconds() / 1e9,
    )


class SessionToken:
    """The access token of the session of a context. It may be called from any thread."""

    def __init__(self, name: str, context: Context) -> None:
        self._name = name
        self._context = context
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Return a token that is valid for a while; empty when the session has ended.

        If it cannot be refreshed now, the old one is returned, and the service decides.
        """
        with suppress(CallFailed, ContextsUnreadable):
            self.refresh()
        session = self._context.session
        return session.access_token if session else ""

    def in_place_of(self, refused: str) -> str:
        """Return another token than one that a service refused before its time, as its key was retired; "" for none."""
        with suppress(CallFailed, ContextsUnreadable), self._lock:
            self._refresh(refused)
        session = self._context.session
        return session.access_token if session and session.access_token != refused else ""

    def refresh(self) -> bool:
        """Refresh the session if its token expires soon. Return whether the session has not ended.

        Raises CallFailed and ContextsUnreadable.
        """
        with self._lock:
            if not self._is_fresh():
                self._refresh()
            return self._context.session is not None

    def _is_fresh(self) -> bool:
        session = self._context.session
        return session is None or time.time() < session.access_expire_time - EARLY_SECONDS

    def _refresh(self, refused: str = "") -> None:
        """Refresh the session, unless another command has just done it."""
        with changing_contexts() as changes:
            self._context = changes.contexts.of(self._name)
            session = self._context.session
            if session is None or (self._is_fresh() and session.access_token != refused):
                return
            self._context = replace(self._context, session=_refreshed(self._context.frontend_target, session))
            changes.contexts = changes.contexts.with_context(self._name, self._context)


def _refreshed(target: str, session: Session) -> Session | None:
    """Return the session with new tokens; None if it has ended. Raises CallFailed."""
    with dial(target) as channel:
        request = RefreshSessionRequest(refresh_token=session.refresh_token)
        try:
            return saved(AccessServiceStub(channel).RefreshSession(request, timeout=ANSWER_SECONDS))
        except grpc.RpcError as error:
            if reason_of(error) == "SESSION_ENDED":
                return None
            if time.time() < session.access_expire_time:  # the token is still valid
                return session
            raise CallFailed(f"Your session could not be refreshed. {explain(error, target)}") from error


class Authorized(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends a token with each call of a channel."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        token = self._token()
        call = continuation(_Details(client_call_details, token), request)
        # The service has refused the token before it looked at the call, so nothing is done twice.
        other = self._token.in_place_of(token) if isinstance(self._token, SessionToken) and _is_invalid(call) else ""
        return continuation(_Details(client_call_details, other), request) if other else call

    def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(_Details(client_call_details, self._token()), request)

    def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        return continuation(_Details(client_call_details, self._token()), request_iterator)

    def intercept_stream_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        return continuation(_Details(client_call_details, self._token()), request_iterator)


def _is_invalid(call: object) -> bool:
    return isinstance(call, grpc.RpcError) and reason_of(call) == "TOKEN_INVALID"


class _Details(grpc.ClientCallDetails):
    """The details of a call, with a token."""

    def __init__(self, call: grpc.ClientCallDetails, token: str) -> None:
        self.method, self.timeout, self.credentials = call.method, call.timeout, call.credentials
        self.wait_for_ready, self.compression = call.wait_for_ready, call.compression
        bearer = (("authorization", f"Bearer {token}"),) if token else ()
        self.metadata = (*(call.metadata or ()), *bearer)
