"""Step: turn errors that clients cannot read into `ServiceError`s, and log them."""

from __future__ import annotations

from service_kit.calls.current import CallCancelled
from service_kit.calls.steps.step import Hooks, Method, MethodCall, request_id
from service_kit.errors import InternalError, ServiceError, StoreNotWritable, StoreUnavailable
from service_kit.logs import logger
from service_kit.store import is_unavailable
from service_kit.writability import is_noted

log = logger(__name__)


def translate_faults(method: Method) -> Hooks:
    """Turn an error of the store into `StoreUnavailable`, and any other error into `InternalError`."""

    def failed(call: MethodCall, error: Exception) -> Exception:
        if isinstance(error, (ServiceError, CallCancelled)):
            return error
        if not is_unavailable(error):
            log.error("internal error", method=method.name, request_id=request_id(call.context), exc_info=error)
            return InternalError()
        if is_noted(error):  # and logged, once a minute
            return StoreNotWritable()
        log.error("store unavailable", method=method.name, request_id=request_id(call.context), error=str(error))
        return StoreUnavailable()

    return Hooks(failed=failed)
