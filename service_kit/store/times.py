"""How long a store waits, and how often it does what it does by itself."""

from __future__ import annotations

from dataclasses import dataclass

BUSY_SECONDS: float = 5


@dataclass(frozen=True)
class StoreTimes:
    """All of them in seconds. Tests pass shorter ones."""

    busy_seconds: float = BUSY_SECONDS
    """How long a statement waits for another writer, on either engine."""
    locked_out_seconds: float = 60.0
    """How long `Store.try_lock` assumes that another process is at work when it does not get the lock."""
    probe_seconds: float = 2.0
    """The time between two probes of a store that could not be written."""
    log_seconds: float = 60.0
    """The least time between two log lines about the same problem of writing."""
    cleanup_seconds: float = 60.0
    """The time between two cleanups of expired request ids."""
