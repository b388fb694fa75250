"""A test that starts all kinds of processes and does not end. tests/e2e/test_killed_run.py runs and kills it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.processes import Servers
from tests.support.stores import FreshDatabases
from tests.support.transcoding.process import ServerInAProcess
from tests.support.watchdog import FOLDERS, MARK

HANG_SECONDS = 600.0

ORPHAN = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)"
"""A process whose parent ends at once, in a session of its own."""


@pytest.fixture(scope="module")
def forkery() -> None:
    """Fork no servers: each process is started by this run."""


def test_hangs(servers: Servers, databases: FreshDatabases, tmp_path: Path) -> None:
    url = databases.migrated("admin", "postgresql")
    servers.start("admin", url)
    spawned = ServerInAProcess()
    subprocess.run([sys.executable, "-c", ORPHAN], check=True)
    folder = next(parent for parent in Path(url.partition("host=")[2]).parents if parent.name.startswith(FOLDERS))
    started = [process for process in psutil.process_iter() if is_ours(process)]
    report = {
        "worker": os.getpid(),
        "started": [process.pid for process in started],
        "names": sorted(process.name() for process in started),
        "folders": [str(folder), str(tmp_path)],
    }
    Path(os.environ["REPORT_OF_RUN"]).write_text(json.dumps(report))
    time.sleep(HANG_SECONDS)
    spawned.kill()
    pytest.fail("the run was to be killed")


def is_ours(process: psutil.Process) -> bool:
    try:
        if any(parent.name() == "postgres" for parent in process.parents()):  # it writes over its environment
            return is_ours(process.parents()[0])
        return process.environ().get(MARK) == os.environ[MARK]
    except psutil.Error:
        return False
