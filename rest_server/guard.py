"""Keep out requests that a browser was tricked into, and those that are too large to look at.

Whoever runs this server on their own machine has a browser there, too. A page of any site may send requests to
127.0.0.1: from its own origin, or, once its name has been made to mean 127.0.0.1 (DNS rebinding), as if this server
were that site. So a request that changes something has to come from no page at all (curl), from our own pages, or from
an origin that is allowed; and on a loopback address the name that was asked for has to be a loopback one.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rest_server.bodies import JSON
from rest_server.errors import HeadersTooLarge, HostRefused, OriginRefused, PathTooLong, Refusal, refusal_answer
from rest_server.headers import HEADER_BYTES, REQUEST_ID, request_id

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware; `hosts` are the names that may be asked for (any, where it is empty)."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                identity = request_id(headers)
                status, body = refusal_answer(refusal, identity)
                await Response(body, status, {REQUEST_ID: identity}, JSON)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        if sum(len(name) + len(value) for name, value in headers.raw) > HEADER_BYTES:
            return HeadersTooLarge(most_bytes=HEADER_BYTES)
        if len(scope["raw_path"]) + len(scope["query_string"]) > HEADER_BYTES:
            return PathTooLong(most_bytes=HEADER_BYTES)
        host = headers.get("host", "")
        if self._hosts and host_name(host) not in self._hosts:
            return HostRefused(host=host[:200])
        origin = headers.get("origin")
        if scope["method"] in _SAFE or origin in (None, f"http://{host}", f"https://{host}", *self._origins):
            return None
        return OriginRefused(origin=str(origin)[:200])


def host_name(host: str) -> str:
    """The name in a Host header, without the port and the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
