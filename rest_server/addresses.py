"""Hosts and ports, as URLs and Host headers have them."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address

# With underscores, which names of containers have; RFC 3986 allows more.
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[\w.-]+)(?::(\d{0,5}))?", re.ASCII)


def split_address(address: str) -> tuple[str, int | None]:
    """Split HOST or HOST:PORT; an IPv6 address is in brackets (RFC 3986), and keeps them.

    Raises:
        ValueError: The text is neither.
    """
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is not HOST or HOST:PORT")
    host, digits = match[1], match[2]
    if host.startswith("["):
        ip_address(host[1:-1])
    port = int(digits) if digits else None
    if port is not None and port > 65_535:
        raise ValueError(f"port {port} is greater than 65535")
    return host, port


def same_host(host: str) -> str:
    """Return a host in a form in which all spellings of it are equal.

    It is in lower case, without a dot at the end and without brackets. An IPv6 address is in its short form, without
    a zone, which only this machine knows (RFC 6874).
    """
    name = host.strip("[]").partition("%")[0].lower().removesuffix(".")
    with suppress(ValueError):
        return str(ip_address(name))
    return name


def is_loopback(address: str) -> bool:
    """Return whether an IP address is reached from this machine only; 127.0.0.2 and ::ffff:127.0.0.1 are."""
    number = ip_address(address)
    return (getattr(number, "ipv4_mapped", None) or number).is_loopback
