"""The settings of a connection, blocking or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import grpc

FRONTEND = "127.0.0.1:50051"
ADMIN = "127.0.0.1:50052"
"""Where the services listen by default."""

Token: TypeAlias = str | Callable[[], str] | None
"""An access token or an API token, or what returns the one that is valid now, before each attempt of a call."""

CHANNEL_OPTIONS = (
    # Reconnect to a restarted server within seconds; by default that can take two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Detect a silent connection within 20 seconds. The servers allow a ping every 5 seconds.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A proxy for the web cannot reach these servers.
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True)
class Limits:
    """The timeout of a call with all its attempts, and the number of attempts."""

    timeout: float = 30.0
    """Seconds, for a call without a `timeout` of its own."""
    attempts: int = 6
    """If nothing listens, the attempts take three to seven seconds with the pauses between them."""

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.attempts < 1:
            raise ValueError(
                f"a call needs time and an attempt, but has timeout={self.timeout}, attempts={self.attempts}"
            )


class Options(TypedDict, total=False):
    """The keyword arguments of `connect`."""

    timeout: float
    attempts: int
    credentials: grpc.ChannelCredentials | None
    token: Token


def bearer(token: Token) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call with a token; none for an empty one."""
    value = token() if callable(token) else token
    return (("authorization", f"Bearer {value}"),) if value else ()
