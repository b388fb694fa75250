"""Where servers listen, and how addresses are written."""

from __future__ import annotations

import re
from ipaddress import ip_address

# What names have in practice, underscores of containers' names included; RFC 3986 would take more.
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[\w.-]+)(?::(\d{0,5}))?", re.ASCII)


class AddressTaken(Exception):
    """The listening address is in use, or is none. The message says what to do."""

    def __init__(self, address: str) -> None:
        """`address` is HOST:PORT, as it was asked for."""
        super().__init__(
            f"cannot listen on {address}: another program has the port, or the address is not this machine's. "
            "Stop that program or listen elsewhere (--listen HOST:PORT)."
        )


def split_address(address: str) -> tuple[str, int | None]:
    """Split HOST or HOST:PORT, as a URL has it (RFC 3986): an IPv6 address is in brackets, and keeps them.

    Raises ValueError for anything else.
    """
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is no HOST or HOST:PORT")
    host, digits = match[1], match[2]
    if host.startswith("["):
        ip_address(host[1:-1])
    port = int(digits) if digits else None
    if port is not None and port > 65_535:
        raise ValueError(f"there is no port {port}")
    return host, port


def is_loopback(address: str) -> bool:
    """Whether an IP address, in numbers, is reached from this machine only, 127.0.0.2 and ::ffff:127.0.0.1 included."""
    numbers = ip_address(address)
    return (getattr(numbers, "ipv4_mapped", None) or numbers).is_loopback
