"""Channels to the two services, and how long to wait for their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from library_cli.grpc_errors import CallFailed, explain

ANSWER_SECONDS = 10.0
"""Deadline of a call that reads a few rows."""

# A proxy set for the web would be asked for the library's own services, too, and does not know them.
OPTIONS = [("grpc.enable_http_proxy", 0)]


@contextmanager
def connected(target: str) -> Iterator[grpc.Channel]:
    """Open a channel; raise CallFailed, with a sentence for the user, for any call on it that fails."""
    with grpc.insecure_channel(target, options=OPTIONS) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise CallFailed(explain(error, target)) from error


def pages(list_page: Callable[..., Any], request: Any, seconds: float = ANSWER_SECONDS) -> Iterator[Any]:
    """Yield the pages of a list, one after the other; `seconds` is the deadline of each. The request is changed."""
    while True:
        page = list_page(request, timeout=seconds)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def health_of(channel: grpc.Channel, timeout: float = ANSWER_SECONDS) -> str:
    """Ask grpc.health.v1 about the server as a whole; gives the status by its name, such as `SERVING`."""
    check: grpc.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse]
    check = HealthStub(channel).Check  # type: ignore[attr-defined]  # its stubs forget what __init__ sets
    return HealthCheckResponse.ServingStatus.Name(check(HealthCheckRequest(), timeout=timeout).status)
