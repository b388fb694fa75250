"""The limits of imports as operations."""

from __future__ import annotations

from dataclasses import dataclass

UPLOAD_BYTES = 2_000_000_000


@dataclass(frozen=True)
class OperationLimits:
    """Limits of uploads, of the worker, and of those who wait. Tests pass other ones."""

    upload_bytes: int = UPLOAD_BYTES
    """Bytes of one upload."""
    waiting: int = 20
    """Operations that have not ended, including uploads. Their files are in the store."""
    chunk_bytes: int = 1_000_000
    """Bytes of a part of a file in the store. One part is in memory at a time."""
    batch_rows: int = 500
    """Records that are committed together: enough to make a commit cheap, few enough to let other writers in."""
    batch_bytes: int = 4_000_000
    """Bytes of the records that are committed together, exceeded by at most one record."""
    problems: int = 10_000
    """Problems of one operation that are stored. Further ones are only counted."""
    starts: int = 3
    """Starts without progress after which records are imported one by one, to find the one that ends the process."""
    lease_seconds: float = 5.0
    """How long a lease lasts that is not renewed."""
    poll_seconds: float = 1.0
    """The time between two looks at the store for operations to work on, or to wait for."""
    waiters: int = 32
    """Calls of WaitOperation that wait at a time. Further ones are answered at once, as the method allows."""
    wait_seconds: float = 60.0
    """The longest wait of one call of WaitOperation."""
    abandoned_seconds: float = 3_600.0
    """The age of an upload that is not complete after which it is deleted. A stream lasts 10 minutes at most."""


LIMITS = OperationLimits()
