"""The addresses of servers: HOST and HOST:PORT."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address

# The characters that names have in practice, with the underscores of containers' names. RFC 3986 allows more.
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[\w.-]+)(?::(\d{0,5}))?", re.ASCII)


class AddressTaken(Exception):
    """The listening address is in use, or is not an address of this machine. The message explains what to do."""

    def __init__(self, address: str) -> None:
        """Take the HOST:PORT of the setting."""
        super().__init__(
            f"cannot listen on {address}: another program has the port, or the address is not this machine's. "
            "Stop that program or listen elsewhere (--listen HOST:PORT)."
        )


class ListenRefused(Exception):
    """The settings would let callers in who must be kept out. The message explains what to do."""


def split_address(address: str) -> tuple[str, int | None]:
    """Split HOST or HOST:PORT, as a URL has it (RFC 3986): an IPv6 address is in brackets, and keeps them.

    Raises ValueError for anything else.
    """
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is not HOST or HOST:PORT")
    host, digits = match[1], match[2]
    if host.startswith("["):
        ip_address(host[1:-1])
    port = int(digits) if digits else None
    if port is not None and port > 65_535:
        raise ValueError(f"there is no port {port}")
    return host, port


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches an IP address, such as 127.0.0.2 or ::ffff:127.0.0.1."""
    numbers = ip_address(address)
    return (getattr(numbers, "ipv4_mapped", None) or numbers).is_loopback


def is_this_machine(host: str) -> bool:
    """Return whether a host, which may be a name, is a loopback address or `localhost`. No name is looked up."""
    try:
        return host == "localhost" or is_loopback(host)
    except ValueError:  # another name
        return False


def is_reached_by_others(address: str) -> bool:
    """Return whether other machines may reach a server that listens on HOST:PORT. A name that is unknown counts."""
    host, _ = split_address(address)
    try:
        found = socket.getaddrinfo(host.strip("[]"), None)
    except OSError:
        return True
    return not all(is_loopback(str(each[4][0])) for each in found)
