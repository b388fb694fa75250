"""A wall clock that a test sets under running processes, while their monotonic clock goes on: libfaketime.

Debian's package `faketime` has the library. A process that is started with `FakeTime.variables` in its environment
reads the offset from a file at each look at the clock. libfaketime 0.9.10 breaks Python's `time.sleep`, which the
servers do not need.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.third_party import NOT_TRIED

LIBRARIES = "*/faketime/libfaketimeMT.so.1"
"""Below /usr/lib, in the folder of the machine's architecture: the variant for processes with threads."""


class FakeTime:
    """The wall clock of the processes that were started with `variables`: this machine's, plus an offset."""

    def __init__(self, folder: Path) -> None:
        """Skip the test where libfaketime is missing. `folder` is for the file with the offset."""
        self._file = folder / "clock-offset"
        self.offset = timedelta()
        self.set_offset(self.offset)
        self.variables = {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_offset(self, offset: timedelta) -> None:
        """Set the clock to this machine's time plus `offset`."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{offset.total_seconds():+.0f}")
        written.replace(self._file)  # so that no process reads half of it
        self.offset = offset

    def set_to(self, seconds_since_1970: float) -> None:
        """Set the clock to a time."""
        self.set_offset(timedelta(seconds=round(seconds_since_1970 - time.time())))

    def jump(self, by: timedelta) -> None:
        """Move the clock."""
        self.set_offset(self.offset + by)


def _library() -> str:
    found = next(Path("/usr/lib").glob(LIBRARIES), None)
    if found is not None:
        return str(found)
    untried = f"{NOT_TRIED}: libfaketime is not below /usr/lib; it is installed by: apt-get install faketime"
    if os.environ.get("LIBRARY_REQUIRE_CLIENTS") == "1":
        pytest.fail(untried)
    pytest.skip(untried)
