"""Health checks, answered while all other lanes of the server are full.

grpcio-health-checking's servicer sends to all watches under its lock, in the thread that sets a health. A client that
watches and does not read would block every health check, and every thread that sets a health, for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME

from service_kit.calls.call import Call, Stage
from service_kit.calls.current import CURRENT_CALL
from service_kit.servicer import IS_READ

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_MESSAGES: Any = health_pb2
"""Its stubs lack the messages of List."""

__all__ = ["NOT_SERVING", "SERVICE_NAME", "SERVING", "Health"]


class Health(health_pb2_grpc.HealthServicer):
    """grpc.health.v1.Health. Each watch waits in a thread of its own and sends without a lock."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._statuses: dict[str, int] = {}
        self._is_stopping = False

    def Check(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the health of a service."""
        status = self._statuses.get(request.service)
        if status is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            return health_pb2.HealthCheckResponse()
        return health_pb2.HealthCheckResponse(status=status)

    def List(self, request: object, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the contract's name
        """Return the health of each service, and of the server as a whole under the empty name."""
        checks = {name: health_pb2.HealthCheckResponse(status=status) for name, status in dict(self._statuses).items()}
        return _MESSAGES.HealthListResponse(statuses=dict(sorted(checks.items())))

    def Watch(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        """Send the health of a service, and each change of it, until the client leaves."""
        sent: int | None = None
        context.add_callback(self._wake)
        while context.is_active():
            with self._condition:
                status = self._statuses.get(request.service, _UNKNOWN)
                if status == sent:
                    self._wait()
                    continue
            sent = status
            yield health_pb2.HealthCheckResponse(status=status)

    def set(self, service: str, status: int) -> None:
        """Set the health of a service, unless the server is stopping."""
        with self._condition:
            if not self._is_stopping:
                self._statuses[service] = status
                self._condition.notify_all()

    def stop(self) -> None:
        """Set all to NOT_SERVING, for good."""
        with self._condition:
            self._statuses = dict.fromkeys(self._statuses, NOT_SERVING)
            self._is_stopping = True
            self._condition.notify_all()

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _wait(self) -> None:
        call = CURRENT_CALL.get()
        if isinstance(call, Call) and call.stage is not Stage.IDLE:
            call.waits(Stage.IDLE)
        # With a timeout, as the call may end between the check and the wait.
        self._condition.wait(1.0)


for _method in (Health.Check, Health.List):
    setattr(_method, IS_READ, True)
