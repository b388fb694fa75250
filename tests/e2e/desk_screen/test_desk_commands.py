"""`library lend`, `return` and `renew` with a barcode and a card."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from library_cli.__main__ import main
from tests.e2e.desk_screen.conftest import DeskLibrary


def test_a_barcode_and_a_card_name_the_item_and_the_user(library_with_items: DeskLibrary) -> None:
    dune, ada = library_with_items.barcodes["Dune"], library_with_items.cards["Ada"]

    def run(command: str, *arguments: str, status: int = 0) -> Any:
        target = library_with_items.process.address
        done = CliRunner().invoke(main, [command, *arguments, "--json", "--frontend-target", target])
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    lent = run("lend", dune, ada)
    assert (lent["barcode"], lent["renewal_count"]) == (dune, 0)
    assert run("lend", dune, ada)["renewal_count"] == 1, "an item that the user has is renewed"
    assert run("renew", dune)["renewal_count"] == 2
    other = run("return", dune, library_with_items.cards["Ben"], status=1)["error"]
    assert (other["reason"], "Ben Lovelace" in other["message"]) == ("ITEM_NOT_ON_LOAN", True)
    assert run("return", dune)["id"] == lent["id"]
    assert run("return", dune, status=1)["error"]["reason"] == "ITEM_NOT_ON_LOAN"
    assert run("lend", "30001000000999", ada, status=1)["error"]["reason"] == "BOOK_NOT_FOUND"
