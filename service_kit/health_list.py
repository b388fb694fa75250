"""The health of all services in one call."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

_MESSAGES: Any = health_pb2
"""Its stubs leave the messages of List out."""


class ListingHealthServicer(health.HealthServicer):
    """grpc.health.v1.Health with its method List.

    grpcio-health-checking's servicer raises NotImplementedError for it, and grpcio logs a traceback at each call: any
    client could fill the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._services = {""}

    def set(self, service: str, status: int) -> None:
        """Set the health of a service."""
        super().set(service, status)
        self._services.add(service)

    def List(self, request: object, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the contract's name
        """Return the health of each service, and of the server as a whole under the empty name."""
        checks = {name: health_pb2.HealthCheckRequest(service=name) for name in sorted(self._services)}
        return _MESSAGES.HealthListResponse(
            statuses={name: self.Check(check, context) for name, check in checks.items()}
        )
