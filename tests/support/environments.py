"""Virtual environments with chosen distributions, copied from that of the tests: no network is needed."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.processes import ROOT

Command = list[str | Path]


class Environment:
    """A virtual environment with nothing but the distributions that are put into it."""

    def __init__(self, folder: Path, distributions: Iterable[str]) -> None:
        """Make it, with distributions that the tests' environment has."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        (self._packages,) = folder.glob("lib/python*/site-packages")
        for name in distributions:
            self._copy(name)

    def install(self, wheel: Path) -> None:
        """Install a wheel, whose dependencies are there."""
        pip: Command = [sys.executable, "-m", "pip", "--python", self.python, "install", "--no-index", wheel]
        subprocess.run(pip, check=True, capture_output=True)

    def run(self, program: str, folder: Path, *arguments: str) -> str:
        """Run a program in a file of `folder`; return what it prints. Warnings are errors."""
        (folder / "program.py").write_text(program)
        command: Command = [self.python, "-I", "-W", "error", "program.py", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def _copy(self, name: str) -> None:
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = self._packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), target)


def build_wheel(package: str, folder: Path) -> Path:
    """Build the wheel of a folder of the tree from a copy of it, which must have all that it needs."""
    source = folder / "source"
    shutil.copytree(ROOT / package, source, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, source], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def contents(wheel: Path) -> tuple[list[str], list[str]]:
    """Return the names of a wheel's files, and the distributions that it requires."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    return names, re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)


def with_requirements(distributions: Iterable[str]) -> set[str]:
    """Return distributions together with all that they require, without extras."""
    found: set[str] = set()
    missing = list(distributions)
    while missing:
        name = missing.pop()
        if name not in found:
            found.add(name)
            requirements = map(Requirement, importlib.metadata.requires(name) or ())
            missing += [each.name for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})]
    return found
