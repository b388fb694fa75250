"""bash completes commands and options with the script that `library completion` prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from library_cli.__main__ import main
from tests.support.library_command import environment
from tests.support.processes import ROOT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_the_command_itself(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_LIBRARY_COMPLETE={shell}_complete" in done.stdout


def test_the_commands_in_the_help_are_complete_and_install_the_script(tmp_path: Path) -> None:
    printed = CliRunner().invoke(main, ["completion", "--help"], env={"COLUMNS": "60"}).stdout
    assert "\\b" not in printed
    assert "\b" not in printed
    lines = [line.strip() for line in printed.splitlines()]
    typed = [line for line in lines if line.startswith(("mkdir", "library ", "echo"))]
    assert len(typed) == 7
    document = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    assert all(line in document for line in typed)
    scripted = "library() { echo complete -F _library_completion library; }"  # instead of three processes
    done = subprocess.run(
        ["bash", "--norc", "-ec", "\n".join([scripted, *typed, f'. "{tmp_path}/.bashrc"', "complete -p library"])],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "_library_completion library" in done.stdout
    assert (tmp_path / ".config/fish/completions/library.fish").stat().st_size > 0


def test_bash_completes_commands_and_options() -> None:
    version = subprocess.run(
        ["bash", "-c", "echo ${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]}"], capture_output=True, text=True, check=True
    )
    if tuple(map(int, version.stdout.split("."))) < (4, 4):
        pytest.skip("click completes in bash 4.4 and newer")
    script = """
        source <(library completion bash)
        complete_words() {
            COMPREPLY=() COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _library_completion library
            echo "${COMPREPLY[@]}"
        }
        complete_words library loa
        complete_words library loans --ov
        complete_words library completion f
    """
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout.splitlines(), done.stderr) == (["loans", "--overdue", "fish"], "")
