"""A SQLite store whose process is killed: while it writes, or after it has written all that it was asked to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

WRITER = """
import os, random, sys, threading
from pathlib import Path
import service_kit.sqlite.run
from admin_server.store.models import MIGRATIONS, SCHEMA
from service_kit.migrations import migrate
from service_kit.store import open_store

path, rows, checkpoint_bytes, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
service_kit.sqlite.run.CHECKPOINT_BYTES = checkpoint_bytes
store = open_store(f"sqlite:///{path}", schema=SCHEMA)
store._sqlite_run._checkpoint_at = checkpoint_bytes
migrate(store, MIGRATIONS)
execute = store.database.execute_sql
with store.writing():
    execute("CREATE TABLE IF NOT EXISTS noted (number INTEGER PRIMARY KEY, text TEXT)")
(first,) = execute("SELECT coalesce(max(number), 0) FROM noted").fetchone()

def read():
    while True:
        with store.snapshot():
            (count,) = execute("SELECT count(*) FROM noted").fetchone()
            (last,) = execute("SELECT max(number) FROM noted").fetchone()
            assert count == (last or 0), (count, last)

if how == "with readers":
    for _ in range(2):
        threading.Thread(target=read, daemon=True).start()
for number in range(first + 1, first + 1 + rows):
    with store.writing():
        execute("INSERT INTO noted VALUES (?, ?)", (number, "x" * random.randrange(9000)))
    print(number, flush=True)
if how == "stop":
    store.close()
else:
    sys.stdin.read() if how == "wait" else None
    os.kill(os.getpid(), 9)
"""


def start_writer(path: Path, rows: int, *, checkpoint_bytes: int = 2**40, how: str = "die") -> subprocess.Popen[str]:
    """Start a process that adds rows to the store at `path`, printing the number of each when it is committed.

    Afterwards it kills itself, or stops as a server does where `how` is "stop"; with "wait" when its input is closed.
    """
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(rows), str(checkpoint_bytes), how],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def write(path: Path, rows: int, *, checkpoint_bytes: int = 2**40, how: str = "die") -> None:
    """Let a process add rows to the end, and then die or stop."""
    with start_writer(path, rows, checkpoint_bytes=checkpoint_bytes, how=how) as process:
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == (0 if how == "stop" else -signal.SIGKILL)
    assert len(printed.splitlines()) == rows


def copy_folder(folder: Path, to: Path) -> Path:
    """Copy a folder as `cp -a` does; return the copy."""
    shutil.copytree(folder, to, copy_function=shutil.copy2)
    return to
