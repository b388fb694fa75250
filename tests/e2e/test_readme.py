"""The README is run: each command as it is printed, its output compared but for ids and times; and its settings held
against the programs' own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

import admin_server.__main__
import frontend_server.__main__
import library_cli.__main__
import rest_server.__main__
from tests.support.library_command import environment, library
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases
from tests.support.third_party import NOT_TRIED, require

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PASSING = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<request>\b[0-9a-f]{32}\b)"
    r'|(?P<etag>"etag": ?"[0-9a-f]+-[0-9a-f]+")'
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
)
"""What is another in each run: ids, request ids, etags and times."""

READS = re.compile(r"library status|curl -s '?127")
"""The commands that only read, and may be typed again: `curl -s` with an address at once has nothing to send."""


@dataclass
class Session:
    """A reader who types what the README says, with the ids that came out here instead of those printed there."""

    folder: Path
    addresses: dict[str, str]
    stores: dict[str, str]
    """The variables that say where the stores are; a reader has the defaults."""
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # So that curl fails where the answer is an error, as the other clients do. What it writes stays as it is.
        (self.folder / ".curlrc").write_text("fail-with-body\n")

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as printed; what it writes either way is its output."""
        here = self.addresses | self.ids
        command = re.sub("|".join(map(re.escape, here)), lambda printed: here[printed[0]], command)
        variables = {
            "LIBRARY_REST_URL": f"http://{self.addresses['127.0.0.1:8080']}",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # as in an activated environment
            "CURL_HOME": str(self.folder),
            **self.stores,
        }
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=environment(self.addresses["127.0.0.1:50052"], self.addresses["127.0.0.1:50051"], **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )

    def type_and_compare(self, command: str, printed: str) -> None:
        """Run a command and hold what it does to what is printed.

        What one service has yet to tell the other is waited for, where a command only reads.
        """
        done = self.type(command)
        if READS.match(command):
            deadline = time.monotonic() + 100
            while not is_alike(printed, done.stdout) and time.monotonic() < deadline:
                time.sleep(0.1)
                done = self.type(command)
        self.compare(printed, done.stdout)
        if "curl -s" in command:
            assert (done.returncode == 0) == ('"error"' not in printed), done

    def compare(self, printed: str, written: str) -> None:
        """Hold what was written to what is printed, and learn which id stands for which."""
        assert without_what_passes(written) == without_what_passes(printed)  # pytest shows how they differ
        for there, here in zip(PASSING.finditer(tidy(printed)), PASSING.finditer(tidy(written)), strict=True):
            if there["id"]:
                assert self.ids.setdefault(there["id"], here["id"]) == here["id"]


def is_alike(printed: str, written: str) -> bool:
    return without_what_passes(written) == without_what_passes(printed)


def without_what_passes(text: str) -> str:
    return PASSING.sub(kind, tidy(text))


def kind(passing: re.Match[str]) -> str:
    return f"<{passing.lastgroup}>"


def tidy(text: str) -> str:
    """The text without spaces that do not matter: Go's JSON has one here or there by the build, on purpose."""
    return "\n".join(re.sub("(?<=[:,{]) +", " ", line.rstrip()) for line in text.strip().splitlines())


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block and what is printed below each. `$ ` begins a command; `\\` or `|` at its end goes on."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        match = re.match(r"((?:.*[\\|]\n)*.*)\n?", part)
        assert match is not None
        found.append((match[1], part[match.end() :]))
    return found


def test_every_command_does_what_is_printed(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases, tmp_path: Path
) -> None:
    for program in ("grpcurl", "evans", "curl"):
        require(program)
    if "--json" not in subprocess.run(["curl", "--help", "all"], capture_output=True, text=True, check=True).stdout:
        pytest.skip(f"{NOT_TRIED}: curl is older than 7.82, of March 2022, and has no --json")
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    assert library("import", "--sample", admin=admin.address).returncode == 0
    url = databases.migrated("frontend", "sqlite")
    frontend = servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1")
    until_said(
        lambda: library("status", "--all", admin=admin.address, frontend=frontend.address).stdout, "resyncing: false"
    )
    rest = rest_servers.start([frontend.address, admin.address])
    addresses = {
        "127.0.0.1:50051": frontend.address,
        "127.0.0.1:50052": admin.address,
        "127.0.0.1:8080": rest.address,
    }
    addresses["--port 50051"] = f"--port {frontend.address.rpartition(':')[2]}"
    stores = {"LIBRARY_ADMIN_DATABASE_URL": admin.database_url, "LIBRARY_FRONTEND_DATABASE_URL": frontend.database_url}
    session = Session(tmp_path, addresses, stores)

    ran, again = 0, ""
    for language, block in BLOCK.findall(README):
        if language == "python":
            (tmp_path / "borrow.py").write_text(block.replace("127.0.0.1:50051", frontend.address))
        elif language == "csv":
            (tmp_path / "books.csv").write_text(block)
        elif language == "console":
            for command, printed in commands(block):
                session.type_and_compare(command, printed)
                ran += 1
                again = printed if command == "python borrow.py" else again
    assert ran >= 34
    session.type_and_compare("python borrow.py", again)


def until_said(say: Callable[[], str], words: str) -> None:
    """Wait until something is said; whoever called looks again, and complains where it is not."""
    deadline = time.monotonic() + 100
    while words not in say() and time.monotonic() < deadline:
        time.sleep(0.1)


SERVERS = {
    "admin": admin_server.__main__.commands,
    "frontend": frontend_server.__main__.commands,
    "rest": rest_server.__main__.commands,
}


def settings_of(server: str) -> dict[str, str]:
    """The flags of `serve` and their defaults, as the README writes them; each has a variable of the same name."""
    found = {}
    for option in SERVERS[server].commands["serve"].params:
        assert isinstance(option, click.Option)
        (flag,) = option.opts
        assert option.envvar == f"LIBRARY_{server.upper()}_{flag[2:].replace('-', '_').upper()}"
        default = " ".join(option.default) if isinstance(option.default, tuple) else option.default
        if not isinstance(default, (str, int, float)):
            said = re.search(r"\[default: (.*)\]", option.help or "")
            assert said is not None
            found[flag] = said[1]
        else:
            found[flag] = f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    return found


def test_the_settings_of_the_servers_are_those_in_the_table() -> None:
    rows = re.findall(r"^\| `(--[\w-]+)` \| (.*?) \| (.*?) \| (.*?) \| .+ \|$", README, re.MULTILINE)
    told = {
        server: {flag: defaults[place] for flag, *defaults in rows if defaults[place] != "-"}
        for place, server in enumerate(SERVERS)
    }
    assert told == {server: settings_of(server) for server in SERVERS}


def test_the_settings_of_the_command_are_told() -> None:
    variables = {
        (option.opts[0], option.envvar, option.default)
        for command in library_cli.__main__.main.commands.values()
        for option in command.params
        if isinstance(option, click.Option) and option.envvar
    }
    for flag, variable, default in variables:
        assert f"`{flag}` or `{variable}` (`{default}`)" in README


def test_every_make_target_and_every_link_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "library-client" / "README.md", *(ROOT / "docs").glob("*.md")]
    for document in documents:
        text = document.read_text(encoding="utf-8")
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets, document
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


PACKAGES = [
    "admin_server",
    "frontend_server",
    "rest_server",
    "library_domain",
    "service_kit",
    "library_cli",
    "library-client",
]


@pytest.mark.parametrize("folder", PACKAGES)
def test_the_tree_is_told(folder: str) -> None:
    assert f"\n{folder}/" in README
