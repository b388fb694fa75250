"""Step: log how each call ended and how long it took, in one line."""

from __future__ import annotations

import logging

import grpc

from service_kit.calls.steps.step import Hooks, Method, MethodCall, request_id
from service_kit.errors import ServiceError, StoreNotWritable
from service_kit.logs import logger

log = logger(__name__)


def log_outcomes(method: Method) -> Hooks:
    """Log answers, at debug for a method that reads, and errors."""
    level = logging.DEBUG if method.is_read else logging.INFO
    is_logged = logging.getLogger(__name__).isEnabledFor  # the one of structlog is slower

    def after(call: MethodCall) -> None:
        if is_logged(level):
            # The work is done, but the answer to a call that was cancelled meanwhile reaches nobody.
            event = "answered" if call.context.is_active() else "done, but the call was cancelled"
            identity = request_id(call.context)
            log.log(level, event, method=method.name, request_id=identity, seconds=round(call.seconds(), 6))

    def failed(call: MethodCall, error: Exception) -> Exception:
        log_error(call.context, error, method.name, seconds=round(call.seconds(), 6))
        return error

    return Hooks(after=after, failed=failed)


def log_error(context: grpc.ServicerContext, error: Exception, method: str, **fields: object) -> None:
    """Log that a call was refused, or cancelled.

    Both are at info: it was the client that sent a bad request or cancelled the call, its deadline that passed, or this
    server that stopped and did not wait longer.
    """
    fields |= {"method": method, "request_id": request_id(context)}
    if isinstance(error, ServiceError):
        # On a full disk every change is refused; the log is often on that disk, and the store logs it once a minute.
        level = logging.DEBUG if isinstance(error, StoreNotWritable) else logging.INFO
        if error.further:
            fields["further_reasons"] = [each.reason for each in error.further]
        log.log(level, "refused", status=error.status.name, reason=error.reason, **fields)
    else:
        log.info("call cancelled", **fields)
