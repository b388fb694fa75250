"""Refuse requests that pages of other sites send through a browser, and requests whose head is too large.

Any web page that is open in a local browser can send requests to 127.0.0.1: from its own origin, or, when its host name
is changed to resolve to 127.0.0.1 (DNS rebinding), as if this server were its site. So a request that changes something
must come from no page (curl), from a page of this server, or from an allowed origin; and on a loopback address the Host
must be a name of this machine.

`Sec-Fetch-Site` is not used: it says less than `Origin`, which the Fetch standard requires in each request that is not
GET or HEAD. Browsers that omitted `Origin` in forms had no `Sec-Fetch-Site` either.
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
"""Versions of HTTP that require no Host header."""


def hosts_to_answer(listen: str, address: str, allowed: Collection[str]) -> Collection[str]:
    """Return the hosts that a request may name; empty if it may name any.

    Args:
        listen: The host of the setting.
        address: The IP address that it resolved to, which shows whether it is a loopback address.
        allowed: Further hosts.
    """
    if not allowed and not is_loopback(address):
        return ()
    # Also with allowed hosts, so that health checks work: no site can have one of these names.
    return frozenset(same_host(host) for host in (*allowed, *LOOPBACK_NAMES, listen, address))


class Guard:
    """ASGI middleware. `hosts` are the allowed ones in the form of `same_host`; if empty, all are allowed."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        """A browser sends one Origin. Of several, a proxy may have added any, so each must be allowed."""
        own = (f"http://{host}", f"https://{host}")
        other = next((origin for origin in origins if origin not in own and origin not in self._origins), None)
        return None if other is None else OriginRefused(origin=other[:200])


def _host_asked_for(hosts: Sequence[str], http_version: str) -> str:
    """Return the Host header. Raises ValueError unless there is exactly one with HOST or HOST:PORT."""
    if not hosts and http_version in _WITHOUT_HOST:
        return ""
    (host,) = hosts
    split_address(host)
    return host
