"""Step: refuse calls until the server is open, which is when its store is ready."""

from __future__ import annotations

from service_kit.calls.current import CURRENT_CALL
from service_kit.calls.steps.step import Hooks, Method, MethodCall
from service_kit.errors import NotServing


def refuse_until_ready(_method: Method) -> Hooks:
    """Raise `NotServing` until `Server.open`. Under grpcio-testing there is no server to wait for."""

    def before(_call: MethodCall) -> None:
        call = CURRENT_CALL.get()
        if call is not None and not call.is_server_open():
            raise NotServing

    return Hooks(before=before)
