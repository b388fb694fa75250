"""The guard: decides for each call who makes it, and whether they may. See docs/access.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from library.access.v1.access_pb2 import ROLE_PATRON, ROLE_SERVICE
from library_domain.access.accounts import Accounts
from library_domain.access.bearer import bearer_token
from library_domain.access.callers import GUEST, Caller, caller_of, set_caller
from library_domain.access.errors import RoleRequired, ScopeRequired, SignInRequired
from library_domain.access.known_callers import KnownCallers
from library_domain.access.method_rules import MethodRule, rules_of
from library_domain.access.roles import role_name
from service_kit.calls.steps.step import Method, MethodCall
from service_kit.clock import Clock
from service_kit.settings import OPEN

SERVICE = Caller(ROLE_SERVICE)
"""The other service. Its secret is checked by the step `authenticate`, in both modes."""


class AuditLog(Protocol):
    """Notes who did what. Each method may be called from any thread, and once for each call at most."""

    def admitted(self, method: Method, call: MethodCall, caller: Caller) -> None:
        """Note that a call that can change something was let in, before it is done."""

    def done(self, method: Method, call: MethodCall, caller: Caller) -> None:
        """Note that a call that can change something was answered."""

    def refused(self, method: Method, call: MethodCall, caller: Caller, error: Exception) -> None:
        """Note that a call failed: by the guard, or later. The caller is a guest if its token is not valid."""


class AccessGuard:
    """Lets calls in by the roles of their callers. The mode `token` has one; in the mode `open` there is no guard."""

    def __init__(
        self,
        services: Iterable[ServiceDescriptor],
        accounts: Accounts,
        clock: Clock,
        audit: AuditLog | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Guard these services.

        Args:
            services: The services, whose methods have the option `library.access.v1.access`.
            accounts: Answers who callers are, from the store of this service.
            clock: The time, by which tokens expire.
            audit: Notes who did what.
            seconds: The time by which known callers are asked about again.

        Raises:
            RequirementMissing: A method lacks the option, or its option does not fit its request.
        """
        self._rules = rules_of(services)
        self._accounts = accounts
        self._callers = KnownCallers(accounts, clock, seconds)
        self._audit = audit

    def admit(self, method: Method, call: MethodCall) -> None:
        """Let a call in, or raise why not. The caller is noted at the context."""
        rule = self._rules[method.name]
        if rule.role == ROLE_SERVICE:
            set_caller(call.context, SERVICE)
            return
        try:
            token = bearer_token(call.context.invocation_metadata())
            caller = self._callers.of(token) if token else GUEST
        except Exception:
            set_caller(call.context, GUEST)  # a call without a caller would be anybody's
            raise
        set_caller(call.context, caller)
        if caller.role < rule.role or caller.scopes:
            check_role(rule, caller)
        if rule.looks_at_requests:
            self._check_request(rule, call.request, caller)
        if self._audit is not None and not method.is_read:
            self._audit.admitted(method, call, caller)

    def check_signed_in(self, context: grpc.ServicerContext) -> None:
        """Raise `SignInRequired` or `TokenInvalid` unless a call has a valid token: of any role, or of a program."""
        token = bearer_token(context.invocation_metadata())
        if not token:
            raise SignInRequired
        self._callers.of(token)

    def done(self, method: Method, call: MethodCall) -> None:
        """Note that a call was answered."""
        if self._audit is not None:
            self._audit.done(method, call, caller_of(call.context))

    def refused(self, method: Method, call: MethodCall, error: Exception) -> None:
        """Note that a call failed."""
        if self._audit is not None:
            self._audit.refused(method, call, caller_of(call.context), error)

    def forget_user(self, user_id: str) -> None:
        """Ask about a user again at the user's next call, as a session ended, or the role changed, in this process."""
        self._callers.forget_user(user_id)

    def _check_request(self, rule: MethodRule, request: Any, caller: Caller) -> None:
        if caller.role == ROLE_PATRON and rule.own is not None:
            rule.own.limit(request, caller.user_id, self._accounts.owner_of_loan)
        if rule.desk is not None:
            rule.desk.apply(request, caller)


def guard_for(
    access: str,
    services: Iterable[ServiceDescriptor],
    accounts: Accounts,
    clock: Clock,
    audit: AuditLog | None = None,
) -> AccessGuard | None:
    """Return the guard of a server, or None in the mode `open`.

    Raises:
        RequirementMissing: In both modes, for a method of which nobody knows who may call it.
    """
    guard = AccessGuard(services, accounts, clock, audit)
    return None if access == OPEN else guard


def check_role(rule: MethodRule, caller: Caller) -> None:
    """Raise a `ServiceError` unless a caller has the role, and the scope, for a method."""
    if caller.role < rule.role:
        if caller.credential_id:
            raise RoleRequired(required_role=role_name(rule.role), role=role_name(caller.role))
        raise SignInRequired
    # What guests may do needs no scope.
    if caller.scopes and not rule.is_for_guests and rule.scopes.isdisjoint(caller.scopes):
        raise ScopeRequired(scopes=", ".join(caller.scopes))
