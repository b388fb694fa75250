"""How long an attempt to sign in has to wait after failures: a pure function, without a store or a clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service_kit.clock import SECOND

HALF_LIFE = 15 * 60 * SECOND
"""After this time a failure counts for half."""

CLOCK_TOLERANCE = 60 * SECOND
"""A failure that is later than now by more than this was noted while the clock was wrong."""


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one subject. Each counts for less as time passes."""

    count: float = 0.0
    time: int = 0
    """Of the last one, in microseconds since 1970."""

    def at(self, now: int) -> float:
        """Return how many they are at a time."""
        return self.count * math.exp2(-max(0, now - self.time) / HALF_LIFE)

    def one_more(self, now: int) -> Failures:
        return Failures(self.at(now) + 1, now)

    def one_less(self) -> Failures:
        """Return them without one that was noted a moment ago."""
        return Failures(max(0.0, self.count - 1), self.time)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are free, and how long the longest wait after them is."""

    free: int
    longest_wait: int

    def wait(self, failures: Failures, now: int) -> int:
        """Return how long the next attempt has to wait from `now`, in microseconds; 0 if it may be made.

        The wait begins with a second and doubles with each failure. There is always an end to it, so nobody is locked
        out for good.
        """
        over = failures.at(now) - self.free
        if over < 0 or failures.time > now + CLOCK_TOLERANCE:
            return 0
        wait = min(self.longest_wait, round(SECOND * math.exp2(min(over, 60))))
        return max(0, failures.time + wait - now)


OF_NAME = Limit(10, 60 * SECOND)
"""Of a user, for addresses from which the user has not signed in before."""

OF_ADDRESS = Limit(30, 10 * SECOND)
"""Of an address, for names whose user has not signed in from there before."""

OF_KNOWN_ADDRESS = Limit(10, 60 * SECOND)
"""Of a user at an address from which the user has signed in before: others cannot use it up from elsewhere."""
