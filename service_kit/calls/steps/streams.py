"""Step: pass a client's stream to the method as a `ClientStream`, which ends only where the client has ended it."""

from __future__ import annotations

from service_kit.calls.client_streams import ClientStream
from service_kit.calls.steps.step import Hooks, Method, MethodCall


def read_streams_to_their_end(method: Method) -> Hooks:
    """Wrap the requests of a stream."""
    if not method.request_streaming:
        return Hooks()

    def before(call: MethodCall) -> None:
        call.request = ClientStream(call.request, call.context, method.name)

    return Hooks(before=before)
