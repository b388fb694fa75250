"""The README is run: each command as it is printed, its output compared but for ids and times; and its settings held
against the programs' own."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import admin_server.__main__
import frontend_server.__main__
import library_cli.__main__
import rest_server.__main__
from tests.support.documents import Session
from tests.support.library_command import library
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases
from tests.support.third_party import NOT_TRIED, require

README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    assert session.run(README) >= 34


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
