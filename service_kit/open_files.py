"""The number of files and connections that this process can have open at the same time.

Systems let a process have 1,024 by default (the soft limit), and more if it asks (up to the hard limit), since programs
that use `select` cannot handle more. These servers do not use it. At the limit no client can connect, and SQLite cannot
open its files.
"""

from __future__ import annotations

import resource
from contextlib import suppress

RESERVED_FILES = 1_024
"""Files that are not for clients' connections: three of SQLite for each of 256 threads, logs, other services."""

MOST_CONNECTIONS = 10_000
"""A limit below that of the system, as each connection uses memory: about 20 kB in a gRPC server."""


def raise_file_limit() -> None:
    """Raise the limit of open files to the most that the system allows. For the start of a server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems return no limit, but accept only a number.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """Return the most connections of clients that this process can have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft - RESERVED_FILES, soft // 2))
