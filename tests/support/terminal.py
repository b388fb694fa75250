"""A program in a real terminal: pexpect runs it on a pseudo-terminal, and pyte draws what it writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import pexpect
import pyte

WAIT_SECONDS = 100.0
"""Long enough on the busiest machine: only what hangs takes longer."""


class Terminal:
    """A terminal with a program. `screen` is what a person sees."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        """All that the program has written."""
        program, *arguments = command
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            program,
            arguments,
            env={**environment, "TERM": "xterm-256color"},
            dimensions=(rows, columns),
            timeout=WAIT_SECONDS,
        )
        self.child.delaybeforesend = None

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def screen(self) -> str:
        return "\n".join(self.lines)

    def colours(self, text: str) -> list[tuple[str, str]]:
        """Return the colours of each letter of a text on the screen, and of what is behind it."""
        row = next(number for number, line in enumerate(self._screen.display) if text in line)
        start = self._screen.display[row].index(text)
        cells = [self._screen.buffer[row][column] for column in range(start, start + len(text))]
        return [(cell.fg, cell.bg) for cell in cells]

    def type(self, text: str) -> None:
        """Type a text as a person or a scanner does. `\\r` is Enter."""
        self.child.send(text)

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def wait_for(self, *texts: str, unless: Sequence[str] = ()) -> str:
        """Wait until the screen has all these texts and none of `unless`; return the screen."""
        self.wait_until(
            lambda: all(text in self.screen for text in texts) and not any(text in self.screen for text in unless),
            f"shows {texts} without {tuple(unless)}",
        )
        return self.screen

    def wait_until(self, is_done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_done():
            assert time.monotonic() < deadline, f"The terminal never {what}:\n{self.screen}"
            assert self._read(), f"The program ended before the terminal {what}:\n{self.screen}"

    def wait_for_end(self) -> int:
        """Wait until the program ends; return its exit status."""
        while self._read():
            pass
        self.child.close()
        assert self.child.signalstatus is None, self.screen
        return int(self.child.exitstatus or 0)

    def close(self) -> None:
        self.child.close(force=True)

    def _read(self) -> bool:
        """Draw what the program has written meanwhile. Return whether it still runs."""
        try:
            written = self.child.read_nonblocking(65536, timeout=1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += written
        self._stream.feed(written)
        return True
