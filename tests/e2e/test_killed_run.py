"""What a test starts ends with it, though the test run be killed: servers, PostgreSQL, orphans, folders."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT
from tests.support.watchdog import FOLDERS, MARK, remove_abandoned_folders

HANG_SECONDS = 100.0


@dataclass
class Run:
    """A run of tests in a process of its own, and what it started."""

    process: subprocess.Popen[bytes]
    worker: psutil.Process
    started: list[psutil.Process]
    folders: list[Path]


@contextlib.contextmanager
def run_of_tests(tmp_path: Path, *arguments: str) -> Iterator[Run]:
    """Run the test that hangs; wait until all that it starts is there."""
    report = tmp_path / "report.json"
    environment = {name: value for name, value in os.environ.items() if name not in (MARK, "XDG_RUNTIME_DIR")}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    with (tmp_path / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "tests/e2e/run_to_be_killed.py"],
            cwd=ROOT,
            env={**environment, "REPORT_OF_RUN": str(report)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: report.exists() and report.read_text().endswith("}"), tmp_path / "output.txt", process)
        report_of_run = json.loads(report.read_text())
        assert {"postgres", "sleep"} & set(report_of_run["names"]), report_of_run
        started = [psutil.Process(pid) for pid in report_of_run["started"]]
        yield Run(
            process,
            psutil.Process(report_of_run["worker"]),
            started,
            [Path(folder) for folder in report_of_run["folders"]],
        )
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], bool], output: Path, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not is_so():
        assert process is None or process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)


def is_gone(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize(
    ("arguments", "who", "how"),
    [
        pytest.param(["-n", "1"], "run", signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(["-n", "1", "--max-worker-restart=0"], "worker", signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(["-n", "1"], "run", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(
            ["-p", "no:xdist", "-o", "addopts=--import-mode=importlib"], "run", signal.SIGKILL, marks=pytest.mark.slow
        ),
        pytest.param(["-n", "1"], "run", signal.SIGINT, marks=pytest.mark.slow),
    ],
    ids=["the run", "a worker", "the run, by SIGTERM", "a run without workers", "the run, by Ctrl-C twice"],
)
def test_all_processes_of_a_killed_run_end_with_it(
    tmp_path: Path, arguments: list[str], who: str, how: signal.Signals
) -> None:
    with run_of_tests(tmp_path, *arguments) as run:
        (run.process if who == "run" else run.worker).send_signal(how)
        if how == signal.SIGINT:
            run.process.send_signal(how)
        output = tmp_path / "output.txt"
        wait_until(lambda: all(map(is_gone, [run.worker, *run.started])), output)
        if how == signal.SIGKILL:
            wait_until(lambda: not any(folder.exists() for folder in run.folders), output)
        wait_until(lambda: not run.folders[0].exists(), output)


def test_the_folder_of_a_run_that_has_ended_is_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when all processes were killed at once, the watchdog with them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    abandoned, others = tmp_path / f"{FOLDERS}1", tmp_path / "other"
    for folder in (abandoned, others):
        (folder / "store").mkdir(parents=True)
    remove_abandoned_folders()
    assert not abandoned.exists()
    assert others.exists()
