"""Runs mutants: each in a copy of the tree, with its own tests, several at a time."""

from __future__ import annotations

import compileall
import enum
import os
import queue
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant, NoLongerApplies
from tests.mutants.selection import Git

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".tools", ".data", ".hypothesis", ".*_cache", "__pycache__", "build")
"""What a copy does not need, where there is no git to ask for the files."""

TESTS_FAILED = 1
"""pytest's exit status. Others say that it could not run the tests, which proves nothing."""

HANG_SECONDS = 120
"""Far more than any test of the list takes on a busy machine."""

NOT_THE_RULE = re.compile(
    r"(Failed: Timeout|NameError|UnboundLocalError|SyntaxError|IndentationError|ImportError|ModuleNotFoundError)\b"
)
"""Failures of code that does not run at all, or for ever. A mutant is to run, and to break its rule."""

_FAILURE = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+?::.+?)(?: - (?P<reason>.*))?$", re.MULTILINE)


class Verdict(enum.Enum):
    """What became of a mutant. All but KILLED are failures of the run."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    NO_LONGER_APPLIES = "NO LONGER APPLIES"
    BROKEN = "BROKEN"
    """Its tests could not be run, or failed because the mutant is not Python that runs."""


@dataclass(frozen=True)
class Result:
    """A mutant, what became of it, and by which test, or why."""

    mutant: Mutant
    verdict: Verdict
    seconds: float = 0.0
    killer: str = ""
    reason: str = ""


class BadTests(Exception):
    """Some tests fail without any mutant, so their failures prove nothing. The message is pytest's output."""


class Copy:
    """A copy of the tree. All that runs in it imports the modules of the copy, also servers that tests start."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Copy the files of `root` that git does not ignore into the new folder `folder`."""
        self.tree = folder / "tree"
        self._temporary = folder / "tmp"
        files = Git(root).files()
        if files is None:
            shutil.copytree(root, self.tree, ignore=LEFT_OUT)
            return
        for file in files:
            if (root / file).is_file():  # and not deleted, or a submodule
                (self.tree / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / file, self.tree / file)

    def pytest(self, tests: Iterable[str], *options: str, keep_bytecode: bool) -> subprocess.CompletedProcess[str]:
        """Run some tests in this copy."""
        paths = os.pathsep.join(str(self.tree / folder) for folder in ("", "generated", "library-client"))
        environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "500"}
        environment["PYTHONDONTWRITEBYTECODE"] = "" if keep_bytecode else "1"
        always = (
            *("-q", "-rfE", "--tb=line", "--no-header", "-p", "no:cacheprovider", "-m", ""),
            *(f"--timeout={HANG_SECONDS}", f"--basetemp={self._temporary}"),
        )
        command = [sys.executable, "-m", "pytest", *always, *options, *tests]
        return subprocess.run(command, cwd=self.tree, env=environment, capture_output=True, text=True, check=False)

    def compile(self) -> None:
        """Make bytecode of all modules, so that no run has to."""
        compileall.compile_dir(self.tree, quiet=2)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Have the fault in this copy. Raises `NoLongerApplies`."""
        file = self.tree / mutant.file
        if not file.is_file():
            raise NoLongerApplies(f"there is no {mutant.file}")
        code = file.read_text()
        # Bytecode is known by the second and the size of its source: a mutant may have both of the original.
        self._forget_bytecode(file)
        file.write_text(mutant.mutated(code))
        try:
            yield
        finally:
            file.write_text(code)

    def _forget_bytecode(self, file: Path) -> None:
        for bytecode in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            bytecode.unlink()


def prove_tests(copy: Copy, mutants: Sequence[Mutant], processes: int) -> None:
    """Run the tests of these mutants on the code as it is. Raises `BadTests` when one of them fails."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    done = copy.pytest(tests, f"--numprocesses={processes}", keep_bytecode=True)
    if done.returncode:
        raise BadTests(done.stdout[-4_000:] + done.stderr[-4_000:])


def run_mutants(copies: Sequence[Copy], mutants: Sequence[Mutant], report: Callable[[Result], None]) -> list[Result]:
    """Run the mutants, one at a time in each copy. Each result is reported as it comes; they are returned in order."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def run(mutant: Mutant) -> Result:
        copy = free.get()
        try:
            return run_mutant(copy, mutant)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        runs = {pool.submit(run, mutant): mutant for mutant in mutants}
        try:
            results = {}
            for done in as_completed(runs):
                results[runs[done]] = done.result()
                report(done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[mutant] for mutant in mutants]


def run_mutant(copy: Copy, mutant: Mutant) -> Result:
    """Put the fault into the copy, and run the tests that are to find it until the first fails."""
    begun = time.monotonic()
    try:
        with copy.mutated(mutant):
            done = copy.pytest(mutant.tests, "-x", "--numprocesses=0", keep_bytecode=False)
    except NoLongerApplies as error:
        return Result(mutant, Verdict.NO_LONGER_APPLIES, reason=str(error))
    seconds = time.monotonic() - begun
    failure = _FAILURE.search(done.stdout)
    if done.returncode == 0:
        return Result(mutant, Verdict.SURVIVED, seconds)
    killer, reason = (failure["test"], failure["reason"] or "") if failure else ("", done.stdout[-2_000:] + done.stderr)
    is_proof = done.returncode == TESTS_FAILED and failure is not None and not NOT_THE_RULE.match(reason)
    return Result(mutant, Verdict.KILLED if is_proof else Verdict.BROKEN, seconds, killer, reason)
