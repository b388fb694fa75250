"""How fast a long command is, how much time is left, and when to print a line about it."""

from __future__ import annotations

import time

LINE_SECONDS = 5.0
"""The shortest time between two lines where standard error is not a terminal, except the first and the last one."""


class Pace:
    """Measures from its creation."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._written: float | None = None

    def is_due(self) -> bool:
        """Return whether to write a line now; the next one is due LINE_SECONDS later."""
        now = time.monotonic()
        if self._written is not None and now - self._written < LINE_SECONDS:
            return False
        self._written = now
        return True

    def in_words(self, rows: int, part: float | None) -> str:
        """Return the rows per second, and the time left if `part`, the part done (0 to 1), is known."""
        seconds = max(time.monotonic() - self._began, 0.001)
        words = f"{rows / seconds:,.0f} rows a second"
        if part:
            words += f", {duration(seconds * (1 - min(part, 1.0)) / part)} left"
        return words


def duration(seconds: float) -> str:
    """Return seconds as `h:mm:ss` or `m:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
