"""Bound the memory of all bodies of requests, and of all answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rest_server.errors import TooManyCalls

MOST_BYTES = 64 * 1024 * 1024
"""Of all bodies together. Without it, the calls and body sizes that the default settings allow take 1 GB."""

SMALL_BYTES = 64 * 1024
"""Bodies up to this size are always accepted, so that slow clients with large bodies do not lock out all others."""


class BodyMemory:
    """Memory for bodies, shared by the calls."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self.used_bytes = 0
        """By all calls."""

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Yield the share of a call, and free it at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.used_bytes -= share.used_bytes

    def resize(self, share: Share, size: int) -> None:
        """Set the size of a share in bytes. Raises TooManyCalls."""
        total = self.used_bytes - share.used_bytes + size
        if total > self._most_bytes and size > max(share.used_bytes, SMALL_BYTES):
            raise TooManyCalls
        self.used_bytes, share.used_bytes = total, size


class Share:
    """The memory of one call's body."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self.used_bytes = 0

    def resize(self, size: int) -> None:
        """Set its size in bytes. Raises TooManyCalls."""
        self._memory.resize(self, size)


@dataclass(frozen=True)
class Memories:
    """Separate memory for bodies of requests and for answers."""

    requests: BodyMemory = field(default_factory=BodyMemory)
    answers: BodyMemory = field(default_factory=BodyMemory)
    """For replies until they are written as JSON. Only of GET: another call may have changed something, so its reply
    is not refused."""
