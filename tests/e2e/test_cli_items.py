"""`library items`, run in the test's process against a real admin."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library_cli.__main__ import main
from library_domain.barcodes import item_barcode
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases

Run = Callable[..., Result]


@pytest.fixture
def run(servers: Servers, databases: FreshDatabases) -> Run:
    """Start an admin with two books of one copy each, and return what runs the command against it."""
    server = servers.start("admin", databases.migrated("admin", "sqlite"))
    for title, isbn in (("Dune", "9780441013593"), ("Dune Messiah", "")):
        server.admin().catalog.AddBook(AddBookRequest(title=title, isbn=isbn))

    def run(*words: str, terminal: bool = False, status: int = 0) -> Result:
        shape = {"TTY_COMPATIBLE": "1", "COLUMNS": "110", "TERM": "xterm"} if terminal else {"TTY_COMPATIBLE": "0"}
        environment = {"LIBRARY_ADMIN_TARGET": server.address, "TZ": "UTC", **shape}
        done = CliRunner().invoke(main, ["items", *words], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == status, done.output
        return done

    return run


def barcodes(done: Result) -> list[str]:
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_a_librarian_keeps_the_items(run: Run) -> None:
    assert barcodes(run()) == [item_barcode(1), item_barcode(2)]
    assert barcodes(run("add", "9780441013593", "--count", "2", "--type", "DVD")) == [item_barcode(3), item_barcode(4)]
    assert barcodes(run("add", "messiah", "--barcode", "b7", "--barcode", "b9")) == ["B7", "B9"]
    assert barcodes(run("add", "messiah", "--range", "c01", "c03", "--state", "on-order")) == ["C01", "C02", "C03"]
    assert barcodes(run("--book", "9780441013593", "--type", "dvd")) == [item_barcode(3), item_barcode(4)]
    assert barcodes(run("--barcode", "b")) == ["B7", "B9"]
    changed = run("change", "b7", "--barcode", "A7", "--state", "set-aside", "--shelf", "S")
    assert changed.stdout == "Changed the item A7, which is set aside.\n"
    [row] = run("--state", "set-aside").stdout.splitlines()
    assert row.split("\t")[:7] == ["A7", "set-aside", "on shelf", "main", "", "S", ""]
    assert run("withdraw", "a7", "B9").stdout == "Withdrew the item A7.\nWithdrew the item B9.\n"
    assert barcodes(run("--state", "withdrawn")) == ["A7", "B9"]
    [shown] = json.loads(run("--barcode", "C01", "--json").stdout)
    assert (shown["barcode"], shown["state"]) == ("C01", "ITEM_STATE_ON_ORDER")
    assert "on order" not in (table := run("--barcode", "C", terminal=True).stdout)
    assert "on-order" in table


def test_what_cannot_be_done_is_refused_with_a_sentence(run: Run) -> None:
    assert "Several books match" in run("add", "dune", status=1).stderr
    assert "No book matches" in run("--book", "emma", status=1).stderr
    assert "Name what to change" in run("change", "b1", status=2).stderr
    assert "cannot be used together" in run("add", "messiah", "--count", "1", "--barcode", "b", status=2).stderr
    assert "B1" in run("withdraw", "b1", status=1).stderr
    assert item_barcode(1) in run("add", "messiah", "--barcode", item_barcode(1), status=1).stderr
    assert "last_barcode" in run("add", "messiah", "--range", "b2", "b1", status=1).stderr
