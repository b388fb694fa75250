"""The list of mutants is true, and the tool that runs them reports what became of each."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.mutant import ListError, Mutant, parse, read_lists
from tests.mutants.selection import LISTS, Git, changed_since, named, spread

ROOT = Path(__file__).parents[2]
MUTANTS = read_lists(ROOT / LISTS)

CODE = """
def fine(days: int) -> int:
    return max(0, days) * 20
"""
TESTS = """
import code_under_test

def test_nothing_is_owed_in_time() -> None:
    assert code_under_test.fine(-1) == 0
"""
FAULTS = {
    "killed": ("max(0, days)", "days"),
    "survived": ("* 20", "* 30"),
    "no longer applies": ("max(1, days)", "days"),
    "broken": ("max(0, days)", "no_such_name"),
}


# --- the list ---


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_applies_to_the_code_and_names_tests_that_there_are(mutant: Mutant) -> None:
    ast.parse(mutant.mutated((ROOT / mutant.file).read_text()))
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(), test


def test_the_list_covers_each_part_of_the_code_that_has_rules() -> None:
    files = {mutant.file for mutant in MUTANTS}
    assert len(MUTANTS) >= 60
    for part in ("circulation/checkout", "circulation/checkin", "circulation/renewal", "circulation/fines"):
        assert f"frontend_server/{part}.py" in files
    for part in ("circulation/rule_choice", "circulation/due_times", "circulation/renewals"):
        assert f"frontend_server/{part}.py" in files
    for part in ("members/members", "watched_clock", "sync/apply_page", "sync/push", "sync/set_aside"):
        assert f"frontend_server/{part}.py" in files
    for part in ("books/catalog", "books/writing", "intake/imports", "sync/records", "sync/changes", "sync/epochs"):
        assert f"admin_server/{part}.py" in files
    for part in ("calls/steps/step", "calls/steps/readiness", "store/store", "revisions", "idempotency"):
        assert f"service_kit/{part}.py" in files


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('[[mutant]]\nname = "a"', "missing or unknown: becomes, file, rule, tests, text"),
        (
            '[[mutant]]\nname = "a"\nrule = ""\nfile = "f"\ntext = "t"\nbecomes = "t"\ntests = ["x"]',
            "changes nothing",
        ),
        ('[[mutant]]\nname = "a"\nrule = ""\nfile = "f"\ntext = "t"\nbecomes = "u"\ntests = []', "no test"),
    ],
)
def test_an_entry_that_proves_nothing_is_refused(toml: str, problem: str) -> None:
    with pytest.raises(ListError, match=problem):
        parse(toml)


# --- which are run ---


def test_of_a_long_list_some_of_each_part_are_run() -> None:
    some = spread(MUTANTS, 30)
    assert len(set(some)) == 30
    assert len({mutant.file for mutant in some}) > 8
    assert spread(MUTANTS, 1_000) == MUTANTS


def test_mutants_are_found_by_their_names_and_files() -> None:
    assert named(MUTANTS, "origins.py") == [mutant for mutant in MUTANTS if mutant.file.endswith("/origins.py")]
    assert {mutant.file for mutant in named(MUTANTS, "guards/origins.py")} == {"rest_server/guards/origins.py"}
    assert [mutant.name for mutant in named(MUTANTS, "loan-limit-off-by-one")] == ["loan-limit-off-by-one"]


def test_what_changed_is_run(tmp_path: Path) -> None:
    mutants = _make_tree(tmp_path, "killed", "survived")
    git = Git(tmp_path)
    assert git.base() is None, "there is no history yet"
    for words in (["init", "--quiet"], ["add", "."], _commit("first")):
        _git(tmp_path, *words)
    assert git.base() is None, "nor is there a parent"
    first = _git(tmp_path, "rev-parse", "HEAD").strip()
    assert changed_since(first, git, mutants) == []

    (tmp_path / "new.py").touch()
    assert changed_since(first, git, mutants) == []
    (tmp_path / "code_under_test.py").write_text(CODE + "\n")
    assert changed_since(first, git, mutants) == mutants
    _git(tmp_path, "checkout", "--quiet", "code_under_test.py")

    (tmp_path / "test_code.py").write_text(TESTS + "\n")
    assert changed_since(first, git, mutants) == mutants
    _git(tmp_path, "checkout", "--quiet", "test_code.py")

    changed = _make_tree(tmp_path, "killed", "survived", "broken")
    assert [mutant.name for mutant in changed_since(first, git, changed) or []] == ["broken"]
    for words in (["add", "."], _commit("second")):
        _git(tmp_path, *words)
    assert git.base() == first
    assert changed_since("no-such-commit", git, mutants) is None


# --- the tool ---


@pytest.mark.slow
def test_it_reports_the_outcome_of_each_and_fails_unless_all_were_killed(tmp_path: Path) -> None:
    _make_tree(tmp_path, *FAULTS)
    done = _run(tmp_path, "--all")
    assert done.returncode == 1, done.stdout
    assert "4 mutants: 1 killed, 1 survived, 1 no longer applies, 1 broken" in done.stdout
    assert "SURVIVED: survived, in code_under_test.py" in done.stdout
    assert "code_under_test.py has the text 0 times" in done.stdout
    assert "NameError: name 'no_such_name' is not defined" in done.stdout
    assert (tmp_path / "code_under_test.py").read_text() == CODE, "the tree itself is never changed"

    assert _run(tmp_path, "-k", "killed").returncode == 0


@pytest.mark.slow
def test_it_proves_nothing_by_tests_that_fail_anyway(tmp_path: Path) -> None:
    _make_tree(tmp_path, "killed")
    (tmp_path / "code_under_test.py").write_text(CODE + "\n\ndef fine(days: int) -> int:\n    return 1\n")
    done = _run(tmp_path, "--all")
    assert done.returncode == 1
    assert "Some of their tests fail without any mutant" in done.stdout


def _make_tree(folder: Path, *faults: str) -> list[Mutant]:
    (folder / "code_under_test.py").write_text(CODE)
    (folder / "test_code.py").write_text(TESTS)
    entries = []
    for name in faults:
        text, becomes = FAULTS[name]
        test = "test_code.py::test_nothing_is_owed_in_time"
        values = {"name": name, "rule": "A rule.", "file": "code_under_test.py", "text": text, "becomes": becomes}
        lines = [f"{field} = '{value}'" for field, value in values.items()]
        entries += ["[[mutant]]", *lines, f"tests = ['{test}']"]
    (folder / LISTS).mkdir(parents=True, exist_ok=True)
    (folder / LISTS / "list.toml").write_text("\n".join(entries))
    return read_lists(folder / LISTS)


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutants", "--root", str(root), "--processes", "1", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _commit(message: str) -> list[str]:
    return ["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", message]


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout
