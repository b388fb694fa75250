"""A disk that takes its time to make a change durable: a library that processes load before all others."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.third_party import require

SECONDS = 1
"""What each fsync takes."""

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_if_slow(void) {
    const char *flag = getenv("SLOW_DISK_FLAG");
    if (flag && access(flag, F_OK) == 0)
        sleep(SECONDS);
}

int fsync(int file) {
    wait_if_slow();
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
    wait_if_slow();
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"""


class SlowDisk:
    """For processes with this environment, the disk is slow while `is_slow` lasts."""

    def __init__(self, folder: Path) -> None:
        """Compile the library into `folder`. Skips the test where there is no compiler."""
        require("cc")
        library, self._flag = folder / "slow_disk.so", folder / "slow"
        command = [str(shutil.which("cc")), "-shared", "-fPIC", f"-DSECONDS={SECONDS}", "-x", "c", "-", "-ldl"]
        subprocess.run([*command, "-o", str(library)], input=_SOURCE.encode(), check=True)
        self.environment = {"LD_PRELOAD": str(library), "SLOW_DISK_FLAG": str(self._flag)}

    @contextmanager
    def is_slow(self) -> Iterator[None]:
        """Make the disk slow."""
        self._flag.touch()
        try:
            yield
        finally:
            self._flag.unlink()
