"""A program in a real terminal: a pseudo-terminal of the system, whose output pyte draws as a terminal does."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

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
        self._master, slave = pty.openpty()
        self._set_size(columns, rows)
        # Not forked by Python: the threads of grpcio, which the tests have, do not survive a fork.
        self.process = subprocess.Popen(
            command,
            env={**environment, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

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
        os.write(self._master, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)
        # The system sends it only to programs whose controlling terminal this is.
        self.process.send_signal(signal.SIGWINCH)

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
        deadline = time.monotonic() + WAIT_SECONDS
        while self._read():
            assert time.monotonic() < deadline, f"The program never ended:\n{self.screen}"
        return self.process.wait(WAIT_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> bool:
        """Draw what the program has written meanwhile. Return whether it still runs."""
        ready, _, _ = select.select([self._master], [], [], 1)
        if not ready:
            return True
        try:
            written = os.read(self._master, 65536)
        except OSError:  # Linux: the program has closed the terminal
            return False
        self.written += written
        self._stream.feed(written)
        return bool(written)
