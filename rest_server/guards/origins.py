"""Keep out requests that a browser was tricked into, and those that are too large to look at.

Whoever runs this server on their own machine has a browser there, too. A page of any site may send requests to
127.0.0.1: from its own origin, or, once its name has been made to mean 127.0.0.1 (DNS rebinding), as if this server
were that site. So a request that changes something has to come from no page at all (curl), from our own pages, or from
an origin that is allowed; and on a loopback address the name that was asked for has to be this machine's own.

`Sec-Fetch-Site` is not looked at: it says less than `Origin`, which the Fetch standard wants in each request that is
neither GET nor HEAD, and the browsers that left it out of forms did not have `Sec-Fetch-Site` either.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rest_server.addresses import is_loopback, same_host, split_address
from rest_server.error_answers import refusal_response
from rest_server.errors import (
    HeadersTooLarge,
    HostInvalid,
    HostRefused,
    OriginRefused,
    PathTooLong,
    Refusal,
)
from rest_server.headers import HEADER_BYTES, request_id

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_SAFE = ("GET", "HEAD", "OPTIONS")

_WITHOUT_HOST = ("0.9", "1.0")
"""Versions of HTTP that need no Host header."""


def hosts_to_answer(listen: str, address: str, allowed: Collection[str]) -> Collection[str]:
    """Give the hosts that may be asked for; none, where any may.

    `listen` is the host that this server was told to listen on, and `address` the IP address that it came to: only
    that says whether this is a loopback address, which has many names.
    """
    if not allowed and not is_loopback(address):
        return ()
    # With those that are allowed, too, for checks of its health: no site can make one of these its own.
    return frozenset(same_host(host) for host in (*allowed, *LOOPBACK_NAMES, listen, address))


class Guard:
    """ASGI middleware; `hosts` are those that may be asked for (any, where it is empty), as `same_host` writes them."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await refusal_response(refusal, request_id(headers))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        if sum(len(name) + len(value) for name, value in headers.raw) > HEADER_BYTES:
            return HeadersTooLarge(most_bytes=HEADER_BYTES)
        if len(scope["raw_path"]) + len(scope["query_string"]) > HEADER_BYTES:
            return PathTooLong(most_bytes=HEADER_BYTES)
        try:
            host = _host_asked_for(headers.getlist("host"), scope["http_version"])
        except ValueError:
            return HostInvalid()
        if self._hosts and same_host(split_address(host)[0] if host else "") not in self._hosts:
            return HostRefused(host=host[:200])
        return None if scope["method"] in _SAFE else self._refusal_of_page(headers.getlist("origin"), host.lower())

    def _refusal_of_page(self, origins: Sequence[str], host: str) -> Refusal | None:
        """A browser sends one. Of several, nobody can say which one somebody on the way has put there."""
        own = (f"http://{host}", f"https://{host}")
        other = next((origin for origin in origins if origin not in own and origin not in self._origins), None)
        return None if other is None else OriginRefused(origin=other[:200])


def _host_asked_for(hosts: Sequence[str], http_version: str) -> str:
    """Give the one Host header. Raises ValueError for more or less than one, and for what is no HOST or HOST:PORT."""
    if not hosts and http_version in _WITHOUT_HOST:
        return ""
    (host,) = hosts
    split_address(host)
    return host
