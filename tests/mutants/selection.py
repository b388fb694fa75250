"""Which mutants to run: those of what changed, in the code, in the tests that kill them, or in the list itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.mutants.mutant import Mutant, parse

LISTS = "tests/mutants"


class Git:
    """Questions to git about a tree. Each answer is None where git is missing or does not know."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def lines(self, *arguments: str) -> list[str] | None:
        """Run git and return the lines that it prints."""
        try:
            done = subprocess.run(["git", *arguments], cwd=self._root, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.splitlines()

    def base(self) -> str | None:
        """Return the commit to compare with: where this branch left origin/main, or the parent of HEAD.

        None in a clone without history.
        """
        head, left = self.lines("rev-parse", "HEAD"), self.lines("merge-base", "HEAD", "origin/main")
        if left and left != head:
            return left[0]
        parent = self.lines("rev-parse", "--verify", "--quiet", "HEAD^1")
        return parent[0] if parent else None

    def changed_files(self, base: str) -> set[str] | None:
        """Return the files that differ from `base`, uncommitted ones included."""
        changed, new = self.lines("diff", "--name-only", base), self.lines("ls-files", "--others", "--exclude-standard")
        return None if changed is None else {*changed, *(new or [])}

    def files(self) -> list[str] | None:
        """Return all files of the tree that are not ignored."""
        return self.lines("ls-files", "--cached", "--others", "--exclude-standard")

    def mutants_at(self, base: str) -> set[Mutant]:
        """Return the mutants that were listed at a commit."""
        lists = self.lines("ls-tree", "--name-only", base, f"{LISTS}/") or []
        texts = (self.lines("show", f"{base}:{file}") for file in lists if file.endswith(".toml"))
        return {mutant for lines in texts for mutant in parse("\n".join(lines or []))}


def changed_since(base: str, git: Git, mutants: Sequence[Mutant]) -> list[Mutant] | None:
    """Return the mutants that a change since `base` may have touched; None where git does not know `base`."""
    files = git.changed_files(base)
    if files is None:
        return None
    before = git.mutants_at(base) if any(file.startswith(f"{LISTS}/") for file in files) else set(mutants)
    return [each for each in mutants if {each.file, *each.test_files} & files or each not in before]


def spread(mutants: Sequence[Mutant], at_most: int) -> list[Mutant]:
    """Return at most `count` of them, taken evenly from the whole list, and the same ones each time."""
    if len(mutants) <= at_most:
        return list(mutants)
    return [mutants[number * len(mutants) // at_most] for number in range(at_most)]


def named(mutants: Iterable[Mutant], part: str) -> list[Mutant]:
    """Return those whose name or file contains a text."""
    return [each for each in mutants if part in each.name or part in each.file]
