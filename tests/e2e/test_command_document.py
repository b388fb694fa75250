"""docs/command.md is run, twice in a row against the same library."""

from __future__ import annotations

import re
from pathlib import Path

from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from library_cli.__main__ import main
from tests.support.documents import Session, console_commands
from tests.support.library_command import library
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases
from tests.sync.agreement import eventually

DOCUMENT = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
COLUMNS = 100


def test_every_command_does_what_is_printed_the_first_time_and_the_second(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases, tmp_path: Path
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    assert library("import", "--sample", admin=admin.address).returncode == 0
    frontend = servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    sync = frontend.frontend().sync
    eventually(lambda: sync.GetSyncStatus(GetSyncStatusRequest(), timeout=30).book_count >= 60, "the sample is there")
    rest = rest_servers.start([frontend.address, admin.address])
    addresses = {
        "127.0.0.1:50051": frontend.address,
        "127.0.0.1:50052": admin.address,
        "127.0.0.1:8080": rest.address,
    }
    for _time in range(2):
        session = Session(tmp_path, addresses, {"TZ": "UTC"}, terminal=COLUMNS)
        assert session.run(DOCUMENT) == len(list(console_commands(DOCUMENT))) >= 12


def test_every_command_and_every_option_of_the_desk_is_described() -> None:
    for name, command in main.commands.items():
        assert f"`library {name}" in DOCUMENT, name
        if command.callback is not None and ".desk." in command.callback.__module__:
            for option in command.params:
                for flag in option.opts:
                    assert not flag.startswith("--") or re.search(rf"`{flag}\b", DOCUMENT), f"{name} {flag}"
