"""Step: let a guard decide whether a caller may make a call, and note how the call ended."""

from __future__ import annotations

from typing import Protocol

import grpc

from service_kit.calls.steps.step import Hooks, Method, MethodCall


class Guard(Protocol):
    """Decides who may call. One is set as the attribute `guard` of each servicer; without one, everybody may call."""

    def admit(self, method: Method, call: MethodCall) -> None:
        """Let a call in, or raise a `ServiceError`. It may set fields of the request."""

    def check_signed_in(self, context: grpc.ServicerContext) -> None:
        """Raise a `ServiceError` unless a call of no service of the library has a valid token."""

    def done(self, method: Method, call: MethodCall) -> None:
        """Note that a call was answered. Not called for methods that change nothing."""

    def refused(self, method: Method, call: MethodCall, error: Exception) -> None:
        """Note that a call failed, here or later."""


def admit_callers(method: Method) -> Hooks:
    """Ask the guard of the servicer, before the request is checked: others learn nothing and cost little."""

    def before(call: MethodCall) -> None:
        guard: Guard | None = getattr(call.servicer, "guard", None)
        if guard is None:
            return
        try:
            guard.admit(method, call)
        except Exception as error:
            # Only the steps before this one see its errors, so `failed` below is not called for them.
            guard.refused(method, call, error)
            raise

    def after(call: MethodCall) -> None:
        guard: Guard | None = getattr(call.servicer, "guard", None)
        if guard is not None:
            guard.done(method, call)

    def failed(call: MethodCall, error: Exception) -> Exception:
        guard: Guard | None = getattr(call.servicer, "guard", None)
        if guard is not None:
            guard.refused(method, call, error)
        return error

    return Hooks(before=before, after=None if method.is_read else after, failed=failed)
