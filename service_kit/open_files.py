"""How many files and connections this process may have open at the same time.

Systems let a process have 1,024 by default (the soft limit), and more if it asks (up to the hard limit), since programs
that use `select` cannot handle more. These servers do not use it. At the limit nobody can connect, and SQLite cannot
open its files.
"""

from __future__ import annotations

import resource
from contextlib import suppress

RESERVED_FILES = 1_024
"""Files that connections of clients never take: 256 threads have three of SQLite each; then logs and other services."""

MOST_CONNECTIONS = 10_000
"""Whatever the system allows, since a connection takes memory, too: about 20 kB in a gRPC server."""


def raise_file_limit() -> None:
    """Let this process open as many files as the system lets it. For the start of a server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems say that there is no limit and accept only a number.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """Return how many connections of clients this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft - RESERVED_FILES, soft // 2))
