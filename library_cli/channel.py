"""Channels to the two services, and how long to wait for their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from library_cli.access.tokens import Authorized, Token, refreshed_token_for
from library_cli.dialing import dial
from library_cli.grpc_errors import CallFailed, explain

ANSWER_SECONDS = 10.0
"""Deadline of a call that reads a few rows."""


@contextmanager
def connected(target: str) -> Iterator[grpc.Channel]:
    """Open a channel, with TLS if the user has named an authority, and with the user's token.

    A failed call on it raises CallFailed, with a sentence for the user, as do files that cannot be used.
    """
    with connected_with(refreshed_token_for(target), target) as channel:
        yield channel


def connected_as_guest(target: str) -> AbstractContextManager[grpc.Channel]:
    """Open a channel as `connected` does, without a token."""
    return connected_with(None, target)


@contextmanager
def connected_with(token: Token | None, target: str) -> Iterator[grpc.Channel]:
    """Open a channel as `connected` does, with another token, or without one."""
    with dial(target) as plain:
        channel = plain if token is None else grpc.intercept_channel(plain, Authorized(token))
        try:
            yield channel
        except grpc.RpcError as error:
            raise CallFailed(explain(error, target)) from error


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
