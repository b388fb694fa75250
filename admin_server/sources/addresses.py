"""The addresses of a host, and which of them are public: no request may lead back into the network of the library."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence

Resolve = Callable[[str, int, float], Sequence[str]]
"""Returns the addresses of a host and port. The last argument is the deadline, in seconds of `time.monotonic`."""

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address in its last four bytes, where a network has IPv6 only (RFC 6052)."""

_NOT_PUBLIC_6 = [
    ipaddress.IPv6Network("2001::/23"),  # IETF protocols, with Teredo, which contains IPv4 addresses (RFC 4380)
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation (RFC 3849)
    ipaddress.IPv6Network("2002::/16"),  # 6to4, which contains IPv4 addresses (RFC 3056)
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
]
_NOT_PUBLIC_4 = [
    ipaddress.IPv4Network("192.0.0.0/24"),  # IETF protocols (RFC 6890)
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    ipaddress.IPv4Network("224.0.0.0/4"),  # multicast
    ipaddress.IPv4Network("240.0.0.0/4"),  # reserved, and broadcast
]

_MOST_RESOLVERS = 8
_resolvers = threading.BoundedSemaphore(_MOST_RESOLVERS)


def is_public(address: str) -> bool:
    """Return whether an address is one of the public internet, by the registries of RFC 6890.

    Addresses of IPv6 that contain one of IPv4 are not public, except those of NAT64, which are what the other one is.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed in _NAT64:
            return _is_public_4(ipaddress.IPv4Address(parsed.packed[-4:]))
        return parsed in _GLOBAL_UNICAST and not any(parsed in network for network in _NOT_PUBLIC_6)
    return _is_public_4(parsed)


def _is_public_4(address: ipaddress.IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)


def resolved(host: str, port: int, deadline: float) -> list[str]:
    """Return the addresses of a host, each once.

    `getaddrinfo` has no time limit, so it runs in a thread of its own. At most eight of these run at a time.

    Raises:
        TimeoutError: They were not found by the deadline, in seconds of `time.monotonic`.
        OSError: The host is not known, or no name server answers.
    """
    if not _resolvers.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_resolve, args=(host, port, found), name="resolver", daemon=True).start()
    try:
        result = found.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, OSError):
        raise result
    return result


def _resolve(host: str, port: int, found: queue.SimpleQueue[list[str] | OSError]) -> None:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.put(list(dict.fromkeys(str(info[4][0]) for info in infos)))
    except OSError as error:
        found.put(error)
    except UnicodeError:  # a label of a name that is too long
        found.put(OSError("not a name of a host"))
    finally:
        _resolvers.release()
