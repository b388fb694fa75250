"""How fast a long command is, how much time is left, and when it is time to say so."""

from __future__ import annotations

import time

LINE_SECONDS = 5.0
"""Where no terminal is, a line is written at most this often, apart from the first and the last one."""


class Pace:
    """Counts from its making."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._written: float | None = None

    def is_due(self) -> bool:
        """Return whether it is time for a line; note that there is one."""
        now = time.monotonic()
        if self._written is not None and now - self._written < LINE_SECONDS:
            return False
        self._written = now
        return True

    def in_words(self, rows: int, part: float | None) -> str:
        """Say how many rows were done in a second, and how long the rest takes, if known how large a part is done."""
        seconds = max(time.monotonic() - self._began, 0.001)
        words = f"{rows / seconds:,.0f} rows a second"
        if part:
            words += f", {duration(seconds * (1 - min(part, 1.0)) / part)} left"
        return words


def duration(seconds: float) -> str:
    """Write a time in seconds as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
