"""Step: end a call with the status of its error, and with the error's details in the trailing metadata (AIP-193)."""

from __future__ import annotations

from typing import NoReturn

import grpc

from service_kit.calls.steps.step import Hooks, Method, MethodCall, request_id
from service_kit.errors import ServiceError, rich_status
from service_kit.ids import REQUEST_ID_HEADER


def send_errors(_method: Method) -> Hooks:
    """Send each `ServiceError` to the client. Any other error is a call that was cancelled."""

    def failed(call: MethodCall, error: Exception) -> NoReturn:
        send_error(call.context, error)

    return Hooks(failed=failed)


def send_error(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    """End the call with an error, its details, and the request id that the log has, too."""
    if isinstance(error, ServiceError):
        identity = request_id(context)
        # Not abort_with_status: grpcio-testing does not have it. This is what it does.
        context.set_trailing_metadata(
            (
                ("grpc-status-details-bin", rich_status(error, identity).SerializeToString()),
                (REQUEST_ID_HEADER, identity),
            )
        )
        context.abort(error.status, str(error))
    context.abort(grpc.StatusCode.CANCELLED, "The call was cancelled before its work was done.")
    raise AssertionError("abort does not return")
