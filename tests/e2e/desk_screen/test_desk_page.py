"""docs/desk.md is run as it is printed: its commands, what is scanned, and the screen that it shows."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from frontend_server.circulation import checkout
from library.frontend.v1.circulation_service_pb2 import CheckOutRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from library_domain.barcodes import item_barcode
from service_kit.clock import SECOND
from tests.support.clocks import SettableClock
from tests.support.documents import BLOCK, Session, commands, without_what_passes
from tests.support.frontend import LocalFrontend
from tests.support.library_command import COMMAND, environment, library
from tests.support.processes import ROOT, Servers
from tests.support.stores import FreshDatabases, bound_store
from tests.support.terminal import Terminal
from tests.sync.agreement import eventually

PAGE = ROOT / "docs" / "desk.md"
DATES = re.compile(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d|(?<=\n)\d\d:\d\d(?= )")
AMOUNTS = re.compile(r"\d+\.\d\d EUR")
"""A fine grows at midnight."""

SEVENTEEN_DAYS = timedelta(days=17)
"""Loans from then were due three days ago."""


def passing(text: str) -> str:
    """The text without dates, amounts and ids."""
    return without_what_passes(AMOUNTS.sub("AMOUNT", DATES.sub("DATE", f"\n{text}")))


@pytest.fixture
def targets(servers: Servers, databases: FreshDatabases) -> tuple[str, str]:
    """The library of the page: the sample, three loans a user, and two items that Ben has for too long."""
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    assert library("import", "--sample", admin=admin.address).returncode == 0
    url = databases.migrated("frontend", "sqlite")
    frontend = servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1", LOAN_LIMIT="3")
    sync = frontend.frontend().sync
    eventually(lambda: sync.GetSyncStatus(GetSyncStatusRequest(), timeout=100).book_count >= 60, "the sample is there")
    frontend.stop()
    with bound_store("frontend", url) as store:
        clock = SettableClock(int((datetime.now(UTC) - SEVENTEEN_DAYS).timestamp()) * SECOND)
        local = LocalFrontend(store, clock)
        local.enroll(EnrollUserRequest(first_name="Ben", last_name="Okafor", card_number="K0004", group="4b"))
        for number in (5, 6):
            request = CheckOutRequest(card_number="K0004", barcode=item_barcode(number))
            checkout.check_out(store, request, local.rules, local.clock)
    frontend.start()
    return admin.address, frontend.address


@pytest.mark.slow  # it starts the desk four times
def test_the_page_is_as_printed(targets: tuple[str, str], tmp_path: Path) -> None:
    admin, frontend = targets
    addresses = {"127.0.0.1:50051": frontend, "127.0.0.1:50052": admin, "127.0.0.1:8080": "127.0.0.1:1"}
    session = Session(tmp_path, addresses, {"TZ": "UTC"}, terminal=100)
    ran = 0
    for language, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for command, printed in commands(block) if language == "console" else ():
            ran += 1
            if not command.startswith("library desk"):
                session.type_and_compare(command, [printed])
                continue
            shown = at_the_desk(command, printed, environment(admin, frontend, TZ="UTC"))
            assert passing(shown) == passing(printed)
    assert ran == 6


def at_the_desk(command: str, printed: str, known: dict[str, str]) -> str:
    """Type what is printed after each `> `; return the screen. With `--lines` it has all that was typed."""
    in_lines = "--lines" in command
    scans = re.findall(r"^> (.+)", printed, re.MULTILINE) if in_lines else ["K0017"]
    rows = 200 if in_lines else 24
    columns = 250 if in_lines else 80
    desk = Terminal([*COMMAND, *shlex.split(command)[1:]], known, columns=columns, rows=rows)
    try:
        desk.wait_for(">")
        for number, scan in enumerate(scans, 1):
            desk.type(f"{scan}\r")
            if in_lines and number < len(scans):
                desk.wait_until(partial(has_prompts, desk, number + 1), "asks for the next scan")
        if in_lines:
            assert desk.wait_for_end() in (0, 1)
            return desk.screen
        return desk.wait_for("Mia Okafor", unless=["waiting"])
    finally:
        desk.close()


def has_prompts(desk: Terminal, count: int) -> bool:
    return len(re.findall(r"^>", desk.screen, re.MULTILINE)) >= count
