"""The documents with commands are run as they are printed, each twice in a row, against one library for all of them.

The second run types the same commands in a library in which they have all been run before.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from library_cli.__main__ import every_command
from tests.support.documents import Session, console_commands
from tests.support.library_command import library
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases
from tests.support.third_party import NOT_TRIED, require
from tests.sync.agreement import eventually

COLUMNS = 100
"""The terminal of those who wrote down what the command shows."""

DOCUMENTS: dict[str, set[str]] = {
    "docs/command.md": set(),
    "docs/import.md": set(),
    "docs/policy.md": set(),
    "docs/grpc.md": {"grpcurl", "evans"},
    "docs/http.md": {"curl"},
    "README.md": {"curl", "grpcurl"},
}
"""Each document, and the programs of others that its commands call. The first one counts the books of a new library."""


@pytest.fixture(scope="module")
def addresses_and_stores(
    module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases
) -> tuple[dict[str, str], dict[str, str]]:
    """A library as `make run` leaves it: where its services are, by the addresses that are printed, and its stores."""
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    assert library("import", "--sample", admin=admin.address).returncode == 0
    frontend = module_servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    sync = frontend.frontend().sync
    eventually(lambda: sync.GetSyncStatus(GetSyncStatusRequest(), timeout=100).book_count >= 60, "the sample is there")
    rest = module_rest_servers.start([frontend.address, admin.address])
    addresses = {
        "127.0.0.1:50051": frontend.address,
        "127.0.0.1:50052": admin.address,
        "127.0.0.1:8080": rest.address,
        "--port 50051": f"--port {frontend.address.rpartition(':')[2]}",
    }
    stores = {"LIBRARY_ADMIN_DATABASE_URL": admin.database_url, "LIBRARY_FRONTEND_DATABASE_URL": frontend.database_url}
    return addresses, {**stores, "TZ": "UTC"}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_command_does_what_is_printed_also_the_second_time(
    name: str, addresses_and_stores: tuple[dict[str, str], dict[str, str]], tmp_path: Path, times: int
) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    missing = missing_of(DOCUMENTS[name])
    for _time in range(times):
        ran = Session(tmp_path, *addresses_and_stores, terminal=COLUMNS, without=frozenset(missing)).run(document)
        assert ran == len(list(console_commands(document))) or missing
    if missing:
        pytest.skip(
            f"{NOT_TRIED}: the commands of {name} that call {' or '.join(sorted(missing))}; the others were run"
        )


def missing_of(programs: set[str]) -> set[str]:
    """Those that are not on this machine, or too old; with LIBRARY_REQUIRE_CLIENTS=1 the test fails instead."""
    missing = set()
    for program in programs:
        try:
            require(program)
        except pytest.skip.Exception:
            missing.add(program)
    if "curl" in programs - missing:
        options = subprocess.run(["curl", "--help", "all"], capture_output=True, text=True, check=True).stdout
        missing |= set() if "--json" in options else {"curl"}  # it came with 7.82, of March 2022
    return missing


def test_every_command_and_every_option_of_the_desk_is_described() -> None:
    document = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    for name, command in every_command().items():
        assert f"`library {name}" in document, name
        if command.callback is not None and ".desk." in command.callback.__module__:
            for option in command.params:
                for flag in option.opts:
                    assert not flag.startswith("--") or re.search(rf"`{flag}\b", document), f"{name} {flag}"


def test_the_readme_needs_no_new_curl() -> None:
    called = [command for command, _ in console_commands((ROOT / "README.md").read_text(encoding="utf-8"))]
    assert [command for command in called if "curl" in command]
    assert not [command for command in called if "curl" in command and "--json" in command], "7.82 of 2022 has it first"


def test_each_document_with_commands_is_run() -> None:
    written = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with_commands = {str(path.relative_to(ROOT)) for path in written if list(console_commands(path.read_text("utf-8")))}
    assert with_commands == {*DOCUMENTS, "docs/desk.md"}, "desk.md is run by desk_screen/test_desk_page.py"
