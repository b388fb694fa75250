"""How much of all bodies, of requests and of answers, is in memory at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rest_server.errors import TooManyCalls

MOST_BYTES = 64 * 1024 * 1024
"""Of all bodies together. With as many calls and as large bodies as the settings allow, there would be 1 GB."""

SMALL_BYTES = 64 * 1024
"""Bodies up to this size are always taken: a client that sends large ones slowly must not shut out all others."""


class BodyMemory:
    """The memory that bodies have, divided among the calls."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """All of it is free."""
        self._most_bytes = most_bytes
        self.held_bytes = 0
        """What calls have at present."""

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Give a call its share, which is free again at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held_bytes -= share.held_bytes

    def resize(self, share: Share, size: int) -> None:
        """Set what a share has, in bytes. Raises TooManyCalls."""
        total = self.held_bytes - share.held_bytes + size
        if total > self._most_bytes and size > max(share.held_bytes, SMALL_BYTES):
            raise TooManyCalls
        self.held_bytes, share.held_bytes = total, size


class Share:
    """What the body of one call has of the memory."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self.held_bytes = 0

    def resize(self, size: int) -> None:
        """Set what it has, in bytes. Raises TooManyCalls."""
        self._memory.resize(self, size)


@dataclass(frozen=True)
class Memories:
    """What bodies have, of requests and of answers apart."""

    requests: BodyMemory = field(default_factory=BodyMemory)
    answers: BodyMemory = field(default_factory=BodyMemory)
    """For what a target has answered, until it has been written as JSON. Answers to GET only: of another call it is not
    known whether it can be made again."""
