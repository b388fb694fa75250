"""The list of mutants: read from the .toml files, checked against the code, and applied to a copy of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = ("name", "rule", "file", "text", "becomes", "tests")


class ListError(Exception):
    """The list is not usable. The message names the entry and what is wrong with it."""


class NoLongerApplies(Exception):
    """The text that a mutant replaces is not exactly once in its file."""


@dataclass(frozen=True)
class Mutant:
    """One fault: `text`, which occurs once in `file`, is replaced by `becomes`."""

    name: str
    rule: str
    """What the code does that the mutant does not."""
    file: str
    text: str
    becomes: str
    tests: tuple[str, ...]
    """pytest's ids of the tests of which at least one must fail."""

    @property
    def test_files(self) -> set[str]:
        """The files of its tests."""
        return {test.partition("::")[0] for test in self.tests}

    def mutated(self, code: str) -> str:
        """Return the code of `file` with the fault. Raises `NoLongerApplies`."""
        if (count := code.count(self.text)) != 1:
            raise NoLongerApplies(f"{self.file} has the text {count} times, and not once")
        return code.replace(self.text, self.becomes)


def parse(toml: str) -> list[Mutant]:
    """Read one list. Raises `ListError`."""
    return [_mutant(entry) for entry in tomllib.loads(toml).get("mutant", [])]


def read_lists(folder: Path) -> list[Mutant]:
    """Read all lists of a folder, in the order of their names. Raises `ListError`."""
    mutants = [mutant for file in sorted(folder.glob("*.toml")) for mutant in parse(file.read_text())]
    if twice := _twice(mutant.name for mutant in mutants):
        raise ListError(f"two mutants have the name {twice!r}")
    return mutants


def _mutant(entry: dict[str, Any]) -> Mutant:
    name = entry.get("name", entry)
    if wrong := set(FIELDS) ^ set(entry):
        raise ListError(f"mutant {name}: these fields are missing or unknown: {', '.join(sorted(wrong))}")
    if entry["text"] == entry["becomes"] or not entry["text"] or not entry["tests"]:
        raise ListError(f"mutant {name}: it changes nothing, or no test is named")
    return Mutant(**{**entry, "tests": tuple(entry["tests"])})


def _twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
