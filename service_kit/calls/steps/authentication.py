"""Step: refuse callers who are not known before their request is checked: they learn nothing and cost little."""

from __future__ import annotations

from service_kit.calls.steps.step import Hooks, Method, MethodCall


def authenticate(method: Method) -> Hooks:
    """Ask the service whether the caller may call it, if the service has a say in that."""
    check_caller = method.authenticate
    if check_caller is None:
        return Hooks()

    def before(call: MethodCall) -> None:
        check_caller(call.servicer, call.request, call.context)

    return Hooks(before=before)
