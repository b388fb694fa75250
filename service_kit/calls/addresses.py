"""The address that a call comes from."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import unquote

import grpc

from service_kit.addresses import is_this_machine

FORWARDED_FOR = "x-forwarded-for"
"""The metadata with the address of the client of a proxy, such as `library-rest`. Each proxy adds one at the end."""


def client_address(context: grpc.ServicerContext) -> str:
    """Return the IP address of the client of a call.

    A proxy on this machine names its own client in `x-forwarded-for`, whose last value counts. From other machines it
    is ignored, as anyone can send it. Returns gRPC's own text for what is not an IP address, such as a Unix socket.
    """
    peer = _host(context.peer())
    if not is_this_machine(peer):
        return peer
    values = [value for name, value in context.invocation_metadata() if name == FORWARDED_FOR]
    last = str(values[-1]).rpartition(",")[2].strip() if values else ""
    return _normal(last) or peer


def _host(peer: str) -> str:
    """Return the address in a peer of gRPC, such as `ipv4:192.0.2.1:4711` or `ipv6:%5B2001:db8::1%5D:4711`."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    host = unquote(rest).rpartition(":")[0].strip("[]")
    return _normal(host) or host


def _normal(text: str) -> str:
    """Return the usual form of an IP address; "" for another text."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
