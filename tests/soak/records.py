"""What happened during a soak: how often each method was called and how it ended, and all that should not have been."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

MOST_FAULTS = 200
"""Kept to be shown; more would be the same again."""


class Records:
    """Shared by all callers."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        """By method, how often each status was the outcome."""
        self.reasons: Counter[str] = Counter()
        self.longest: dict[str, tuple[float, str]] = {}
        """By kind of call, the longest wait in seconds, and for which method."""
        self.ways: Counter[str] = Counter()
        self.faults: list[str] = []
        self.acknowledged: Counter[str] = Counter()
        """By method, how many calls were answered OK."""
        self._lock = threading.Lock()

    def note(self, method: str, way: str, status: str, reason: str, seconds: float) -> None:
        """Count a call."""
        with self._lock:
            self.statuses[method][status] += 1
            self.ways[way] += 1
            if reason:
                self.reasons[f"{status} {reason}"] += 1
            if seconds > self.longest.get(way, (-1.0, ""))[0]:
                self.longest[way] = (seconds, method)

    def fault(self, text: str) -> None:
        """Keep what should not have happened."""
        with self._lock:
            if len(self.faults) < MOST_FAULTS:
                self.faults.append(text)

    def calls(self) -> int:
        """How many calls were made."""
        return sum(sum(each.values()) for each in self.statuses.values())
