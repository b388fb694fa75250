"""How many files, and so connections, this process may have open.

Most systems let a process have 1,024 by default (the soft limit), and more on request (up to the hard limit), for
programs that use `select`. This server does not use it. At the limit, no client could connect.
"""

from __future__ import annotations

import resource
from contextlib import suppress

RESERVED_FILES = 1_024
"""Files that connections of clients never take: targets, logs, and connections that are just being accepted."""

MOST_CONNECTIONS = 10_000
"""Also where the system allows more, since each connection takes memory."""


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems report no limit and accept only a number.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """Return how many connections of clients this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft - RESERVED_FILES, soft // 2))
