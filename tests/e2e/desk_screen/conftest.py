"""A frontend with items and cards, and `library desk` in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_domain.barcodes import card_number, item_barcode
from service_kit.clock import SECOND
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend
from tests.support.library_command import COMMAND, NOBODY, environment
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases, bound_store
from tests.support.terminal import Terminal

LONG_AGO = 1_700_000_000 * SECOND
TITLES = ("Dune", "Emma", "Kindred", "Solaris", "Beloved")


@dataclass
class DeskLibrary:
    """A frontend in which each title has one item, and a user can have two loans."""

    process: ServerProcess
    barcodes: dict[str, str]
    cards: dict[str, str]


@pytest.fixture
def library_with_items(servers: Servers, databases: FreshDatabases) -> DeskLibrary:
    url = databases.migrated("frontend", "sqlite")
    with bound_store("frontend", url) as store:
        frontend = LocalFrontend(store, SettableClock(LONG_AGO))
        barcodes = {}
        for number, title in enumerate(TITLES, 1):
            barcodes[title] = frontend.item(frontend.book(title).id, barcode=item_barcode(number)).barcode
        cards = {
            name: frontend.enroll(
                EnrollUserRequest(first_name=name, last_name="Lovelace", card_number=card_number(number))
            ).card_number
            for number, name in enumerate(("Ada", "Ben"), 1)
        }
    process = servers.start("frontend", url, ADMIN_TARGET=NOBODY, LOAN_LIMIT="2")
    return DeskLibrary(process, barcodes, cards)


@pytest.fixture
def terminal(library_with_items: DeskLibrary) -> Iterator[Callable[..., Terminal]]:
    """Starts `library desk` in a terminal of some size, with more variables."""
    opened: list[Terminal] = []

    def start(*arguments: str, columns: int = 80, rows: int = 24, **variables: str) -> Terminal:
        known = environment(frontend=library_with_items.process.address, TZ="UTC", **variables)
        command = [*COMMAND, "desk", "--staff", "Grace", *arguments]
        opened.append(Terminal(command, known, columns=columns, rows=rows))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
