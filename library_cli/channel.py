"""Channels to the two services, and how long to wait for their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from library_cli.grpc_errors import CallFailed, explain
from library_cli.transport import ClientFiles, FilesUnusable, chosen

ANSWER_SECONDS = 10.0
"""Deadline of a call that reads a few rows."""

# Without a proxy: one that is set for the web cannot reach the library's own services.
OPTIONS = [("grpc.enable_http_proxy", 0)]


@contextmanager
def connected(target: str) -> Iterator[grpc.Channel]:
    """Open a channel, with TLS if the user has named an authority.

    A failed call on it raises CallFailed, with a sentence for the user, as do files that cannot be used.
    """
    with _opened(target, chosen()) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise CallFailed(explain(error, target)) from error


def _opened(target: str, files: ClientFiles) -> grpc.Channel:
    if not files.ca:
        return grpc.insecure_channel(target, options=OPTIONS)
    try:
        files.context()  # raises for files of which gRPC would only report that the handshake failed
        credentials = grpc.ssl_channel_credentials(files.roots(), *files.own())
    except FilesUnusable as problem:
        raise CallFailed(str(problem)) from problem
    return grpc.secure_channel(target, credentials, options=OPTIONS)


def pages(list_page: Callable[..., Any], request: Any, seconds: float = ANSWER_SECONDS) -> Iterator[Any]:
    """Yield the pages of a list. `seconds` is the timeout of each call; `request` is changed."""
    while True:
        page = list_page(request, timeout=seconds)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def health_of(channel: grpc.Channel, timeout: float = ANSWER_SECONDS) -> str:
    """Return the health of a server as a whole by its name in grpc.health.v1, such as `SERVING`."""
    check: grpc.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse]
    check = HealthStub(channel).Check  # type: ignore[attr-defined]  # its stubs lack what __init__ sets
    return HealthCheckResponse.ServingStatus.Name(check(HealthCheckRequest(), timeout=timeout).status)
