"""Documents are run: each command as it is printed, its output compared but for ids and times.

A document can be run twice against the same library: a command that it prints several times may do what any of the
places says, as `library enrol` does the first time and the second.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from library_cli.__main__ import main
from tests.support.library_command import environment

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PASSING = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b\d{8}-\d{6}\b)"
    r"|(?P<card>\b2\d{13}\b)"
    r"|(?P<barcode>\b3\d{13}\b)"
    r"|(?P<request>\b[0-9a-f]{32}\b)"
    r'|(?P<etag>"etag": ?"[0-9a-f]+-[0-9a-f]+")'
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
    r"|(?P<local>\d{4}-\d\d-\d\d \d\d:\d\d\b)"
    r"|(?P<date>(?<=[ \n])\d{4}-\d\d-\d\d(?=\s|$))"
)
"""What is another in each run: ids, which names of backups are here, too, numbers of cards and items,
request ids, etags and times."""

READS = re.compile(r"library (?:status|report|history)|curl -s '?127")
"""The commands that only read, and may be typed again: `curl -s` with an address at once has nothing to send."""

ERROR = re.compile(r'"error"|"reason"')
"""What an error of the HTTP service is known by, also where a command picks from it."""

PLAIN = re.compile(r"library [^|;&<>$`()\n]*")
"""A call of the command that needs no shell."""

CONTROL = re.compile(r"\x1b\[[?\d;]*([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
"""A control sequence of a terminal, by its last letter; an end of a line; or text."""


@dataclass
class Session:
    """A reader who types what a document shows, with the ids that came out here instead of those printed there."""

    folder: Path
    addresses: dict[str, str]
    """Those that are printed, and those that are here: also the default ports of the three services."""
    stores: dict[str, str]
    """The variables that name the stores; a reader has the defaults."""
    terminal: int = 0
    """The columns of the terminal on which `library` is called, in this process; 0: all goes through bash."""
    without: frozenset[str] = frozenset()
    """Programs that are not on this machine: commands that call them are left out."""
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # So that curl fails where the answer is an error, as the other clients do. What it writes stays as it is.
        (self.folder / ".curlrc").write_text("fail-with-body\n")

    def run(self, document: str) -> int:
        """Run all that is printed in a document; return how many commands were run.

        A block of Python or CSV becomes the file that the commands name: borrow.py, books.csv.
        """
        outputs: defaultdict[str, list[str]] = defaultdict(list)
        for command, printed in console_commands(document):
            outputs[command].append(printed)
        ran = 0
        for language, block in BLOCK.findall(document):
            if language == "python":
                address = self.addresses["127.0.0.1:50051"]
                (self.folder / "borrow.py").write_text(block.replace("127.0.0.1:50051", address))
            elif language == "csv":
                (self.folder / "books.csv").write_text(block)
            elif language == "console":
                for command, printed in commands(block):
                    if self.without.intersection(re.findall(r"\w+", command)):
                        continue
                    others = [each for each in outputs[command] if each != printed]
                    self.type_and_compare(command, [printed, *others])
                    ran += 1
        return ran

    def type(self, command: str) -> tuple[str, int]:
        """Run a command as printed; return what it writes, with the addresses that are printed, and its exit status."""
        written, status = self._type(command)
        for printed, here in self.addresses.items():
            written = written.replace(here, printed)
        return written, status

    def _type(self, command: str) -> tuple[str, int]:
        here = self.addresses | self.ids
        command = re.sub("|".join(map(re.escape, here)), lambda printed: here[printed[0]], command)
        variables = {
            "LIBRARY_REST_URL": f"http://{self.addresses['127.0.0.1:8080']}",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # as in an activated environment
            "CURL_HOME": str(self.folder),
            **self.stores,
        }
        known = environment(self.addresses["127.0.0.1:50052"], self.addresses["127.0.0.1:50051"], **variables)
        if self.terminal and PLAIN.fullmatch(command):
            return self._type_here(command, known)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        return done.stdout, done.returncode

    def _type_here(self, command: str, known: dict[str, str]) -> tuple[str, int]:
        terminal = {"TTY_COMPATIBLE": "1", "COLUMNS": str(self.terminal), "TERM": "xterm"}
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(main, shlex.split(command)[1:], env={**known, **terminal}, prog_name="library")
        return on_the_screen(done.output), done.exit_code

    def type_and_compare(self, command: str, printed: Sequence[str]) -> None:
        """Run a command and compare what it does with what is printed, here or at another place for this command.

        Where a command only reads, it is run again until the sync has brought what it is to show.
        """
        written, status = self.type(command)
        if READS.match(command):
            deadline = time.monotonic() + 100
            while not any(is_alike(each, written) for each in printed) and time.monotonic() < deadline:
                time.sleep(0.1)
                written, status = self.type(command)
        expected = next((each for each in printed if is_alike(each, written)), printed[0])
        self.compare(expected, written)
        if "curl -s" in command:
            assert (status == 0) == (not ERROR.search(expected)), (command, written)
        elif PLAIN.fullmatch(command) and "Error: " in expected:
            assert status, (command, written)

    def compare(self, printed: str, written: str) -> None:
        """Compare what was written with what is printed, and learn which id is printed for which."""
        expected, found = without_what_passes(printed), without_what_passes(written)
        assert found == expected, "\n".join(difflib.ndiff(expected.splitlines(), found.splitlines()))
        for there, here in zip(PASSING.finditer(tidy(printed)), PASSING.finditer(tidy(written)), strict=True):
            if there["id"]:
                assert self.ids.setdefault(there["id"], here["id"]) == here["id"]


def is_alike(printed: str, written: str) -> bool:
    """Whether two outputs are the same but for what passes."""
    return without_what_passes(written) == without_what_passes(printed)


def without_what_passes(text: str) -> str:
    """Return an output with a word in the place of each id and time."""
    return PASSING.sub(_kind, tidy(text))


def tidy(text: str) -> str:
    """Return the text without spaces that do not matter: Go's JSON has one here or there by the build, on purpose."""
    lines = (re.sub("(?<=[:,{]) +", " ", line.rstrip()) for line in text.splitlines())
    return "\n".join(lines).strip("\n").strip()


def on_the_screen(written: str) -> str:
    """Return what is left on a terminal: without colours, and without progress bars that were wiped away."""
    lines, row = [""], 0
    for control, ending, text in CONTROL.findall(written):
        if ending == "\n":
            row += 1
            lines[row:row] = [""] if row == len(lines) else []
        elif control == "A":
            row = max(row - 1, 0)
        elif control == "K":
            lines[row] = ""
        lines[row] += text
    return "\n".join(lines)


def console_commands(document: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a document with what is printed below it."""
    for language, block in BLOCK.findall(document):
        if language == "console":
            yield from commands(block)


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block and what is printed below each. `$ ` begins a command; `\\` or `|` at its end goes on."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        match = re.match(r"((?:.*[\\|]\n)*.*)\n?", part)
        assert match is not None
        found.append((match[1], part[match.end() :]))
    return found


def _kind(passing: re.Match[str]) -> str:
    return f"<{passing.lastgroup}>"
